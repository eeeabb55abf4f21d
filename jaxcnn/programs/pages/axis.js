// A sliding window along one axis, in integers only: n elements with b - 1 holes between them and pads lo and hi, k taps
// with dilation d, stride s; m outputs, and a remainder r that no window touches. Output j meets, with its tap t, the
// position s j + d t - lo. The letters are those of jaxcnn/window.py.

const dilated = (size, dilation) => size > 0 ? dilation * (size - 1) + 1 : 0;

function axisWindow({ n, k, s, d, lo, hi, b = 1 }) {
  const slack = dilated(n, b) + lo + hi - dilated(k, d);
  return { n, k, s, d, lo, hi, b, m: Math.max(Math.floor(slack / s) + 1, 0), r: (slack % s + s) % s };
}
