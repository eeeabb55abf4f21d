"""A model on disk: one folder with two files, and nothing in it that is executed.

model.safetensors   the arrays of params and state
model.json          what made them: name and arguments of the model, classes, image
                    size, normalisation, versions; and the hash of the arrays
"""
