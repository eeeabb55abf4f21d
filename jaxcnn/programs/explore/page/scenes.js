// Which grids stand on the page for a map, with which entries. A grid is an image, whose places a window slides over, or
// a kernel; values are read anew whenever a number changes. A block is what has one caption: rows of grids, one for each
// plane, or a grid alone.

const CAPTION = { x: "input x", k: "kernel k", b: "bias b", y: "output y", dy: "dJ/dy", dx: "dJ/dx", dk: "dJ/dk", db: "dJ/db" };

// The operand of a window, with holes, pads and cropped parts. `by` is the kind of entry whose window is framed.
function image(id, axes, kind, value, more = {}) {
  const low = axes.map(w => Math.max(w.lo, 0));
  return {
    id, kind, value, caption: CAPTION[id], ...more,
    from: low.map(lo => -lo), count: axes.map((w, axis) => low[axis] + dilated(w.n, w.b) + Math.max(w.hi, 0)),
    index: position => {
      const whole = axes.map((w, axis) => elementAt({ ...w, lo: 0, hi: 0 }, position[axis]));
      return whole.includes(null) ? null : [...whole, ...more.plane ?? []];
    },
    looks: position => {
      const where = test => axes.some((w, axis) => test(position[axis], dilated(w.n, w.b), w));
      return where((p, n, w) => p < -w.lo || p >= n + w.hi) ? "cut" : where((p, n, w) => p >= n + w.hi - w.r) ? "rest"
        : where((p, n) => p < 0 || p >= n) ? "pad" : "";
    },
    frame: ({ kind: pointed, index }) => more.by === pointed && meets(kind, more.plane ?? [], pointed, planeOf(index))
      ? axes.map((w, axis) => [w.s * index[axis] - w.lo + low[axis], dilated(w.k, w.d)]) : null,
  };
}

// A plain array, or the taps of a kernel as far apart as their dilation says; `flip` turns it around.
function taps(id, size, kind, value, { dilation = [1, 1], flip = false, plane = [], ...more } = {}) {
  return {
    id, kind, value, caption: CAPTION[id], ...more, from: [0, 0], count: size.map((n, axis) => dilated(n, dilation[axis])),
    index: position => position.some((p, axis) => p % dilation[axis]) ? null
      : [...position.map((p, axis) => flip ? size[axis] - 1 - p / dilation[axis] : p / dilation[axis]), ...plane],
    looks: () => "", frame: () => null,
  };
}

const meets = (kind, plane, other, otherPlane) => !result.planes || result.planes.some(of => same(of[kind], plane) && same(of[other], otherPlane));

// A block: a grid for each plane of that kind.
function block(kind, make) {
  const size = planeSize(state, kind);
  if (!size.length) return [[make({})]];
  return filled(size, (...plane) => make({ plane, labels: planeLabels(state, kind, plane) }));
}

const given = name => index => at(state[name], index);
const found = name => index => at(result[name], index);

function scene() {
  if (result.problem) return problemScene();
  if (state.operation === "conv") return convScene();
  const { main, ...rest } = isPool(state.operation) ? poolScene() : normScene();
  return { main: main.map(grid => [[grid]]), ...rest };
}

// The input alone, so that there is something to go on with.
function problemScene() {
  const sentence = `${result.problem}: jaxcnn refuses this. Choose other sizes.`;
  return { main: [block("x", of => taps("x", state.input, "x", given("x"), { edit: "x", ...of }))], signs: [], sentence };
}

function convScene() {
  const { axes, back, across } = result, outputs = sizes(axes, "m"), step = sizes(axes, "s"), spread = sizes(axes, "d");
  const x = block("x", of => image("x", axes, "x", given("x"), { edit: "x", by: "y", ...of }));
  const k = block("k", of => taps("k", state.kernel, "k", given("k"), { edit: "k", caption: kernels(CAPTION.k), ...of }));
  const dy = block("y", of => taps("dy", outputs, "y", given("dy"), { edit: "dy", ...of }));
  const biases = (id, value, edit = null) => [[taps(id, [1, state.outputs], "b", value, { edit })]];
  if (state.map === "y") {
    const y = block("y", of => taps("y", outputs, "y", found("y"), of));
    return {
      main: state.b ? [x, k, biases("b", given("b"), "b"), y] : [x, k, y], signs: state.b ? ["∗", "+", "="] : ["∗", "="],
      sentence: forwardSentence(),
    };
  }
  if (state.map === "db") return {
    main: [dy, biases("db", found("db"))], signs: ["→"],
    sentence: `A bias is added at every place${state.images > 1 ? " of every image" : ""}, so its gradient is the sum of dJ/dy over them.`
      + (state.outputs > 1 ? " Outputs stay apart." : ""),
  };
  const holes = step.some(s => s > 1) ? `, spread by the stride (${step.join("×")})` : "";
  const steps = spread.some(d => d > 1) ? `, in steps of the dilation (${spread.join("×")})` : "";
  if (state.map === "dx") return {
    main: [dy, k, block("x", of => image("dx", axes, "x", found("dx"), { by: "y", ...of }))], signs: ["", "→"],
    sentence: "An input gets dJ/dy from each output that saw it, times the tap between the two."
      + (perGroup(state, "outputs") > 1 ? " All outputs add up." : "") + " What falls on padding is dropped.",
    again: {
      title: "The same sum, as a full convolution", grids: [
        block("y", of => image("dy-wide", back, "y", given("dy"), { by: "x", caption: `dJ/dy${holes}${padding(back) && ", padded"}`, ...of })),
        block("k", of => taps("k-flipped", state.kernel, "k", given("k"), { dilation: spread, flip: true, caption: kernels("k, flipped"), ...of })),
      ],
      sentence: `The flipped ${state.channels * state.outputs > 1 ? "kernels slide" : "kernel slides"} over dJ/dy${holes}${padding(back)}.`,
    },
  };
  return {
    main: [x, dy, block("k", of => taps("dk", state.kernel, "k", found("dk"), { caption: kernels(CAPTION.dk), ...of }))], signs: ["", "→"],
    sentence: `A tap gets one product from each output${state.images > 1 ? " of each image" : ""}: dJ/dy there, times the input that the tap met.`
      + (state.channels * state.outputs > 1 ? " Channels and outputs stay apart." : ""),
    again: {
      title: "The same sum, as a cross-correlation", grids: [
        block("x", of => image("x-wide", across, "x", given("x"), { by: "k", caption: `input x${padding(across) && " with its pads"}`, ...of })),
        block("y", of => taps("dy-kernel", outputs, "y", given("dy"), { dilation: step, caption: `dJ/dy as a kernel${holes}`, ...of })),
      ],
      sentence: `dJ/dy${holes && `${holes},`} slides over x${padding(across)}${steps}.`,
    },
  };
}

function forwardSentence() {
  const bias = state.b ? " The bias is added at every place." : "";
  if (state.groups > 1) return `Each channel has a kernel of its own, and makes an output of its own: channels do not meet.${bias}`;
  if (state.channels > 1) return `An output has a kernel for each channel. They slide together, and all their products add up.${bias}`;
  if (state.outputs > 1) return `Each output has a kernel of its own, which slides over the input.${bias}`;
  return `The kernel slides over the input. Each output is the sum of the products below the window.${bias}`;
}

// The caption of kernels, whose planes are numbered by two things.
const kernels = caption => planeSize(state, "k").filter(n => n > 1).length === 2 ? `${caption}, channel → output` : caption;

// The pads in words; nothing if there are none.
function padding(axes) {
  const [above, below, left, right] = axes.flatMap(w => [w.lo, w.hi]);
  if (above === below && left === right && above === left) return above ? `, padded by ${shown(above)} on each side` : "";
  return `, padded by ${shown(above)} above, ${shown(below)} below, ${shown(left)} left, ${shown(right)} right`;
}

function poolScene() {
  const { axes } = result, outputs = sizes(axes, "m"), largest = state.operation === "max_pool";
  const x = image("x", axes, "x", given("x"), { edit: "x", by: "y", blank: largest ? `${MINUS}∞` : "0" });
  const dy = taps("dy", outputs, "y", given("dy"), { edit: "dy" });
  if (state.map === "y") return {
    main: [x, taps("y", outputs, "y", found("y"))], signs: ["→"],
    sentence: largest ? "Each output is the largest number of its window. Padding never wins." : "Each output is the mean of its window.",
  };
  return {
    main: [x, dy, taps("dx", state.input, "x", found("dx"))], signs: ["", "→"],
    sentence: largest ? "The whole of dJ/dy goes to the input that won, and adds up where windows overlap. The others get nothing."
      : "Each output divides dJ/dy evenly among the taps that it counted; shares add up where windows overlap.",
  };
}

function normScene() {
  const grid = (id, caption, value, edit = null) => taps(id, state.input, "x", value, { caption, edit });
  const x = grid("x", "input x", given("x"), "x"), dy = grid("dy", "dJ/dy", given("dy"), "dy");
  const hat = grid("hat", "x̂, of mean 0, variance 1", found("hat"));
  if (state.map === "y") return {
    main: [x, hat, grid("y", "output y", found("y"))], signs: ["→", "→"],
    sentence: "All entries are one set. It is shifted to mean 0 and divided by its deviation, then scaled and shifted by two parameters.",
  };
  if (state.map === "dp") return {
    main: [dy, hat, grid("along", "dJ/dy x̂", found("along"))], signs: ["·", "="],
    sentence: "Scale multiplies every x̂, and bias is added to each: so dJ/dscale sums dJ/dy x̂, and dJ/dbias sums dJ/dy.",
  };
  const second = grid("second", `${MINUS} mean(dJ/dy)`, found("second"));
  const third = grid("third", `${MINUS} x̂ mean(dJ/dy x̂)`, found("third"));
  return {
    main: [x, dy, second, third, grid("dx", "dJ/dx: the sum, times scale inv_std", found("dx"))], signs: ["", "+", "+", "→"],
    sentence: "An entry moves y in three ways: by itself, through the mean, and through the variance. "
      + "The three terms add up, times scale inv_std.",
  };
}
