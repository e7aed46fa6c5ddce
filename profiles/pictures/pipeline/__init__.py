"""The decoders and all that is done with a picture, in the cell alone."""
