// The page itself: one state, the rows that follow from it, and what shows them.

let state, result;

function show(next) {
  state = next;
  result = rowsOf(state);
  state.at = existing(state.at);
  showEditor();
  $("problem").hidden = !result.problem;
  $("problem").textContent = `${result.problem}. The rows up to there are drawn.`;
  $("add-room").hidden = state.layers.length >= MOST.layers;
  $("table").replaceChildren(...tableOf(result.rows));
  draw(result.rows);
  showPoint();
}

// A unit that there is; else the middle one of the last row.
function existing(at) {
  const { rows } = result, last = rows.length - 1;
  return at && at[0] <= last && at[1] < rows[at[0]].n ? at : [last, Math.floor(rows[last].n / 2)];
}

// By a person: the address follows.
function change(next) {
  refuse("");
  if (next.layers.length > MOST.layers) return;
  show(next);
  remember(writeStack(state));
}

function point(at) {
  if (at[0] === state.at[0] && at[1] === state.at[1]) return;
  state.at = at;
  showPoint();
  remember(writeStack(state));
}

function showPoint() {
  mark(result.rows, state.at);
  $("says").textContent = sentences(result.rows, state.at);
  const [place] = state.at, row = result.rows[place];
  $("equations-title").textContent = place ? `Layer ${place}: ${KINDS[row.layer.kind]}${row.layer.kind === "up" ? " convolution" : ""} of ${row.layer.kernel}` : "The input";
  $("equations").replaceChildren(...equations(result.rows, place));
  for (const line of $("table").querySelectorAll("[data-row]")) line.classList.toggle("at", line.dataset.row === String(place));
  $("here").href = `#${writeStack(state)}`;
}

function refuse(message) {
  $("refused").hidden = !message;
  $("refused").textContent = message;
}

// A stack from an address or an example. One that makes no sense is refused, and what is shown stays.
function openStack(words) {
  try {
    change(readStack(words));
  } catch (error) {
    if (!state) show(readStack(PRESETS.LeNet));
    refuse(`This address is no stack: ${error.message}. The page shows another one.`);
  }
}

function start() {
  if (location.hash.startsWith("#check")) {
    $("results").textContent = checkAll(location.hash);
    return;
  }
  buildEditor();
  listenToDrawing();
  addEventListener("hashchange", () => openStack(location.hash));
  openStack(location.hash.length > 1 ? location.hash : PRESETS.LeNet);
  new ResizeObserver(() => {
    if (drawn.available === $("drawing").clientWidth) return;
    draw(result.rows);
    mark(result.rows, state.at);
  }).observe($("drawing"));
}
start();
