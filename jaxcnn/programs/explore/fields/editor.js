// The layers as a person types them: a row of fields for each, and buttons to add, move and remove one.

const FIELDS = { kernel: "kernel", stride: "stride", dilation: "dilation" };
const PADDING = { valid: "valid", same: "same", same_lower: "same, lower", full: "full", causal: "causal", numbers: "numbers" };

function buildEditor() {
  $("presets").replaceChildren(...Object.entries(PRESETS).map(([name, words]) => button(name, () => openStack(words))));
  $("input").addEventListener("input", () => typed($("input"), "input", value => ({ ...state, input: value })));
  for (const kind of Object.keys(KINDS)) $("adding").append(button(`+ ${KINDS[kind]}`, () =>
    change({ ...state, layers: [...state.layers, readLayer(kind, state.layers.length)], at: null }), { "data-add": kind }));
  $("stack").open = matchMedia("(min-width: 46rem)").matches;
}

function button(text, pressed, attributes = {}) {
  const made = element("button", { type: "button", ...attributes }, text);
  made.addEventListener("click", pressed);
  return made;
}

// A number that may still be half typed: what does not fit is marked, and the stack stays as it was.
function typed(field, name, changed) {
  const value = whole(field.value.trim()), fits = within(name, value);
  field.toggleAttribute("aria-invalid", !fits);
  refuse(fits ? "" : `${name} must be a whole number from ${BOUNDS[name].map(shown).join(" to ")}.`);
  if (fits) change(changed(value));
}

const replaced = (place, fields) => ({ ...state, layers: state.layers.with(place, { ...state.layers[place], ...fields }) });

function numberField(name, text, label, changed) {
  const [low, high] = BOUNDS[name], field = element("input", { type: "number", min: low, max: high, "aria-label": label, autocomplete: "off" });
  field.addEventListener("input", () => typed(field, name, value => changed(value)));
  return [element("label", {}, element("span", {}, text), field), field];
}

function choice(text, label, options, chosen) {
  const made = element("select", { "aria-label": label }, ...options.map(([value, words]) => element("option", { value }, words)));
  made.addEventListener("change", () => chosen(made.value));
  return [element("label", { class: "word" }, element("span", {}, text), made), made];
}

// Fields are built anew only if a layer came, went or changed its kind, so that typing goes on.
let built = "";
function showEditor() {
  const kinds = state.layers.map(layer => layer.kind).join();
  if (built !== kinds || !$("layers").childElementCount) {
    built = kinds;
    $("layers").replaceChildren(...state.layers.map(buildLayer));
  }
  fill($("input"), state.input);
  state.layers.forEach((layer, place) => {
    const { fields } = $("layers").children[place], row = result.rows[place];
    for (const name of Object.keys(FIELDS)) fill(fields[name], layer[name]);
    fields.kind.value = layer.kind;
    fields.padding.value = Array.isArray(layer.padding) ? "numbers" : layer.padding;
    const pads = row ? padsOf(layer, row.n) : Array.isArray(layer.padding) ? layer.padding : ["", ""];
    fill(fields.lo, pads[0]);
    fill(fields.hi, pads[1]);
  });
}

// Not under the hands of a person who types in it.
function fill(field, value) {
  if (field === document.activeElement && whole(field.value.trim()) === value) return;
  field.value = value;
  field.removeAttribute("aria-invalid");
}

function buildLayer(layer, place) {
  const box = element("div", { class: "layer", role: "group", "aria-label": `layer ${place + 1}` }), fields = {}, of = `layer ${place + 1}`;
  const add = (name, [label, field]) => { box.append(label); fields[name] = field; };
  box.append(element("b", { class: "place" }, String(place + 1)));
  add("kind", choice("kind", `kind of ${of}`, Object.entries(KINDS), kind => {
    const stride = strideOf(kind, state.layers[place].kernel), { padding } = state.layers[place];
    change(replaced(place, { kind, stride, padding: Array.isArray(padding) || WORDS[kind].includes(padding) ? padding : "valid" }));
  }));
  for (const [name, text] of Object.entries(FIELDS))
    add(name, numberField(name, text, `${text} of ${of}`, value => replaced(place, { [name]: value })));
  const words = [...WORDS[layer.kind], "numbers"].map(word => [word, PADDING[word]]), pads = () => [Number(fields.lo.value), Number(fields.hi.value)];
  add("padding", choice("padding", `padding of ${of}`, words, word => change(replaced(place, { padding: word === "numbers" ? pads() : word }))));
  add("lo", numberField("padding", "before", `padding before, of ${of}`, value => replaced(place, { padding: [value, pads()[1]] })));
  add("hi", numberField("padding", "after", `padding after, of ${of}`, value => replaced(place, { padding: [pads()[0], value] })));
  const swap = by => {
    const { layers } = state, other = place + by;
    if (layers[other]) change({ ...state, layers: layers.with(place, layers[other]).with(other, layers[place]) });
  };
  box.append(element("span", { class: "buttons" },
    button("↑", () => swap(-1), { "aria-label": `move ${of} before the one above` }), button("↓", () => swap(1), { "aria-label": `move ${of} behind the one below` }),
    button("×", () => change({ ...state, layers: state.layers.toSpliced(place, 1), at: null }), { "aria-label": `remove ${of}` })));
  box.fields = fields;
  return box;
}
