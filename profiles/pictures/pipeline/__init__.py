"""The decoders and every step that makes an avatar. They run only in the cell."""
