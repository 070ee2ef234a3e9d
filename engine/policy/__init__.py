"""The policy folder: its manifest, its ONNX session, and where policies are found."""
