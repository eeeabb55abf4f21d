// The choices above the grids: operation, map, sizes, examples, and how the window moves.

const FIELDS = { input: "input", kernel: "kernel", stride: "stride", dilation: "dilation", before: "pad before", after: "pad after" };
const AXES = ["rows", "columns"];

function buildControls() {
  for (const [name, text] of Object.entries(OPERATIONS)) {
    $("operations").append(radio("operation", name, text, () => show(readState(`op=${name}&map=${state.map}`))));
  }
  const head = element("tr", {}, element("td"), ...Object.values(FIELDS).map(text => element("th", { scope: "col" }, text)));
  $("sizes").append(element("thead", {}, head), element("tbody", {}, ...AXES.map((name, axis) => {
    const row = element("tr", {}, element("th", { scope: "row" }, name));
    for (const [field, [low, high]] of Object.entries(LIMITS)) {
      const choice = element("select", { id: `${field}-${axis}`, "aria-label": `${FIELDS[field]}, ${name}` });
      for (let n = low; n <= high; n++) choice.append(element("option", { value: n }, String(n).replace("-", MINUS)));
      choice.addEventListener("change", () => show(resized(state, field, axis, Number(choice.value))));
      row.append(element("td", {}, choice));
    }
    return row;
  })));
  for (const [field, most] of Object.entries(MOST)) {
    const choice = element("select", { id: field }, ...Array.from({ length: most }, (_, n) => element("option", {}, n + 1)));
    choice.addEventListener("change", () => show(reshaped({ ...state, [field]: Number(choice.value) })));
    $("plane-sizes").append(element("label", {}, element("span", {}, field), choice));
  }
  const biased = element("input", { type: "checkbox", id: "biased" });
  biased.addEventListener("change", () => show(reshaped({ ...state, b: biased.checked ? [] : null })));
  $("plane-sizes").append(element("label", {}, biased, " bias"));
  $("deep-presets").replaceChildren(...examples(DEEP));
  for (const name of ["scale", "bias", "epsilon"]) $(name).addEventListener("change", () => {
    const value = typed($(name).value);
    const good = value !== null && Number.isFinite(value) && (name !== "epsilon" || value >= 0);
    show(good ? { ...state, [name]: value } : state);
  });
  $("count").addEventListener("change", () => show({ ...state, countPads: $("count").checked }));
  $("ceil").addEventListener("change", () => show(reshaped({ ...state, ceil: $("ceil").checked })));
  $("random").addEventListener("click", () => {
    const redrawn = kind => filled(sizeOf(state, kind), () => Math.floor(Math.random() * 11) - 5);
    show({ ...state, ...Object.fromEntries(kindsOf(state).map(kind => [ARRAYS[kind], redrawn(kind)])) });
  });
  $("play").addEventListener("click", () => playing ? stop() : play());
  $("previous").addEventListener("click", () => { stop(); step(-1); });
  $("next").addEventListener("click", () => { stop(); step(1); });
  $("options").open = matchMedia("(min-width: 46rem)").matches;
}

function radio(group, value, text, choose_) {
  const button = element("input", { type: "radio", name: group, value });
  button.addEventListener("change", choose_);
  return element("label", {}, button, element("span", {}, text));
}

const examples = all => Object.entries(all).map(([name, words]) => {
  const button = element("button", { type: "button" }, name);
  button.addEventListener("click", () => show(readState(`op=${state.operation}&map=${state.map}&${words}`)));
  return button;
});

// What depends on the operation, and what the state says.
function showControls() {
  document.querySelector(`input[name=operation][value=${state.operation}]`).checked = true;
  const maps = Object.entries(MAPS[state.operation]).filter(([name]) => hasMap(state, name)), of = [state.operation, ...maps].join();
  if ($("maps").dataset.of !== of) {
    $("maps").dataset.of = of;
    $("maps").replaceChildren($("maps").firstElementChild, ...maps.map(([name, text]) => radio("map", name, text, () => showMap(name))));
    $("presets").replaceChildren(...examples(PRESETS[state.operation]));
  }
  document.querySelector(`input[name=map][value=${state.map}]`).checked = true;
  for (const field of Object.keys(LIMITS)) for (const axis of [0, 1]) {
    const choice = $(`${field}-${axis}`);
    choice.value = state[field][axis];
    choice.disabled = state.operation === "batch_norm" && field !== "input";
  }
  for (const field of Object.keys(MOST)) $(field).value = state[field];
  [...$("groups").options].forEach((option, n) => { option.disabled = !divides(state, n + 1); });
  $("groups").disabled = !divides(state, 2) && !divides(state, 3);
  $("biased").checked = state.b !== null;
  $("planes").hidden = state.operation !== "conv";
  if (!isFlat(state) || state.b) $("planes").open = true;
  for (const name of ["scale", "bias", "epsilon"]) $(name).value = state[name];
  $("normal").hidden = state.operation !== "batch_norm";
  $("counting").hidden = state.operation !== "avg_pool";
  $("count").checked = state.countPads;
  $("rounding").hidden = !isPool(state.operation);
  $("ceil").checked = state.ceil;
}

// Another map: it begins with the entry that is chosen, if it computes such ones.
function showMap(name) {
  const changed = { ...state, map: name }, kept = state.at.kind === kindOf(changed);
  show({ ...changed, at: kept ? state.at : selection("", changed) });
}

// Sliding: from entry to entry of what the map computes, in reading order.
let playing = 0;

function play() {
  stop();
  document.documentElement.classList.add("playing");
  playing = setInterval(() => step(1), matchMedia("(prefers-reduced-motion: reduce)").matches ? 2000 : 1100);
  $("play").textContent = "❚❚ Pause";
  for (const place_ of ["sums", "again-sums"]) $(place_).setAttribute("aria-live", "off");
}

function stop() {
  clearInterval(playing);
  playing = 0;
  document.documentElement.classList.remove("playing");
  $("play").textContent = "▶ Play";
  for (const place_ of ["sums", "again-sums"]) $(place_).setAttribute("aria-live", "polite");
}

function step(by) {
  const kind = kindOf(state), all = planeByPlane(sizeOf(state, kind));
  if (result.problem || !all.length) return;
  const now = state.at.kind === kind ? all.findIndex(index => same(index, state.at.index)) : by > 0 ? -1 : 0;
  point({ kind, index: all[(now + by + all.length) % all.length] });
}
