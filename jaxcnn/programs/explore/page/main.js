// The page itself: one state, what follows from it, and the grids that show it.

const sizeFields = [...Object.keys(LIMITS), ...Object.keys(MOST)];
let state, result, grids = [], structure = "";

// Shows a state: grids are built again only if their sizes or meaning changed.
function show(next) {
  state = next;
  result = compute(state);
  const parts = [state.operation, state.map, state.ceil, result.problem, Boolean(state.b), ...sizeFields.map(field => state[field])];
  if (structure !== JSON.stringify(parts)) {
    structure = JSON.stringify(parts);
    build(scene());
  }
  fillCells();
  showControls();
  point(state.at);
}

function build({ main, signs, sentence, again }) {
  cells = [];
  const blocks = [...main, ...(again?.grids ?? [])];
  grids = blocks.flat(2);
  $("sentence").replaceChildren(marked(sentence));
  $("grids").replaceChildren(...main.flatMap((block_, n) => [
    ...(n ? [element("span", { class: "sign", "aria-hidden": "true" }, signs[n - 1] ?? "")] : []), buildBlock(block_),
  ]));
  $("again").hidden = !again;
  document.body.classList.toggle("wide", !again || grids.length > blocks.length);
  document.body.classList.toggle("deep", grids.length > blocks.length);
  $("again-title").textContent = again?.title ?? "";
  $("again-sentence").replaceChildren(marked(again?.sentence ?? ""));
  $("again-grids").replaceChildren(...(again?.grids ?? []).map(buildBlock));
}

// Points at an entry.
function point(chosen) {
  state.at = chosen;
  markCells(grids, chosen, links());
  const { first, again } = sums();
  $("sums").replaceChildren(...first);
  $("again-sums").replaceChildren(...again);
  $("here").href = `#${writeState(state)}`;
  if (!playing) remember(writeState(state));
}

// By a person: the sliding stops.
function choose(cell) {
  const moved = playing || keyOf(state.at.kind, state.at.index) !== cell.key;
  if (playing) stop();
  if (moved) point({ kind: cell.grid.kind, index: cell.index });
}

function setNumber(name, index, value) {
  show({ ...state, [name]: replaced(state[name], index, value) });
}

// A term of a sum shows its pair.
function listenToTerms(place_) {
  const light = keys => cells.forEach(cell => cell.element.classList.toggle("pair", keys.includes(cell.key)));
  place_.addEventListener("pointerover", event => light(event.target.closest?.(".term")?.keys ?? []));
  place_.addEventListener("pointerleave", () => light([]));
}

function start() {
  if (location.hash.startsWith("#check")) {
    $("results").textContent = checkAll(location.hash);
    return;
  }
  const fresh = location.hash.length < 2;
  buildControls();
  listen($("stage"));
  listenToTerms($("stage"));
  addEventListener("hashchange", () => { stop(); show(readState(location.hash)); });
  show(readState(location.hash));
  if (fresh && !matchMedia("(prefers-reduced-motion: reduce)").matches) play();
}
start();
