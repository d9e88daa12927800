"""Container images as what functions run in: unpacked once, layer by layer, without a container engine."""
