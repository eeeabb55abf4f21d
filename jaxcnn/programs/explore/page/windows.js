// Sliding windows over rows and columns: those of the forward pass, and of both gradients.

function windows(state) {
  const axes = [0, 1].map(axis => axisWindow({
    n: state.input[axis], k: state.kernel[axis], s: state.stride[axis], d: state.dilation[axis],
    lo: state.before[axis], hi: state.after[axis],
  }));
  return state.ceil ? axes.map(ceiled) : axes;
}

// The cotangent, dilated by the stride, meets the flipped kernel.
const inputGradWindow = w => axisWindow({
  n: w.m, k: w.k, s: 1, d: w.d, lo: dilated(w.k, w.d) - 1 - w.lo, hi: dilated(w.k, w.d) - 1 - w.hi + w.r, b: w.s,
});

// The input meets the cotangent as its kernel.
const kernelGradWindow = w => axisWindow({ n: w.n, k: w.m, s: w.d, d: w.s, lo: w.lo, hi: w.hi - w.r });

const sizes = (axes, letter) => axes.map(w => w[letter]);

// The element at a position of the dilated, padded operand along one axis: null in a hole, a pad or a cropped part.
function elementAt(w, position) {
  const inside = position >= 0 && position < dilated(w.n, w.b) && position >= -w.lo && position < dilated(w.n, w.b) + w.hi;
  return inside && position % w.b === 0 ? position / w.b : null;
}

// What an output of a window sums: each tap, and the element that it meets, null for none.
function products(axes, output) {
  return places(sizes(axes, "k")).map(tap => {
    const met = axes.map((w, axis) => elementAt(w, w.s * output[axis] + w.d * tap[axis] - w.lo));
    return { tap, met: met.includes(null) ? null : met };
  });
}

// All paths from an input through a tap to an output, outputs first: the forward pass, and every gradient.
function pathsOf(axes) {
  return places(sizes(axes, "m")).flatMap(output =>
    products(axes, output).filter(({ met }) => met).map(({ tap, met }) => ({ y: output, k: tap, x: met })));
}
