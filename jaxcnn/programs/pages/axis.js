// A sliding window along one axis, in integers only: n elements with b - 1 holes between them and pads lo and hi, k taps
// with dilation d, stride s; m outputs, and a remainder r that no window touches. Output j meets, with its tap t, the
// position s j + d t - lo. The letters are those of jaxcnn/window.py.

const dilated = (size, dilation) => size > 0 ? dilation * (size - 1) + 1 : 0;

function axisWindow({ n, k, s, d, lo, hi, b = 1 }) {
  const slack = dilated(n, b) + lo + hi - dilated(k, d);
  return { n, k, s, d, lo, hi, b, m: Math.max(Math.floor(slack / s) + 1, 0), r: (slack % s + s) % s };
}

// The same with its outputs rounded up, as Window.ceil does: the high pad grows for a last window, unless that one would
// begin beyond the input.
function ceiled(w) {
  const slack = dilated(w.n, w.b) + w.lo + w.hi - dilated(w.k, w.d), up = Math.ceil(slack / w.s) + 1;
  const m = (up - 1) * w.s < w.n + w.lo ? up : up - 1;
  return m === w.m ? w : axisWindow({ ...w, hi: w.hi + (m - 1) * w.s - slack });
}
