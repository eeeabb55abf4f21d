"""oneDNN, which lies inside jaxlib's wheel for Linux on x86: where it is certain to
work, and how it is called.

    processor.py    the dtypes that the processor has instructions for
    certain.py      the dtypes in which this process calls it
    calls.py        the two custom calls, of a convolution and of a matrix product
    bilinear.py     what makes such a call a primitive of JAX
    products.py     the matrix product as a primitive

The convolution as a primitive is `convolution/methods/onednn.py`, and a trial of all of
it in child processes `jaxcnn/programs/onednn/`. A call that does not fit ends the
process, so everything is checked in Python before.
"""
