// What the pages that compute in the browser share: elements, choices, and the address that follows what is shown.

const MINUS = "\u2212";
const $ = id => document.getElementById(id);

function element(tag, attributes = {}, ...content) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) if (value !== null) made.setAttribute(key, value);
  made.append(...content);
  return made;
}

function decoded(text) {
  try { return decodeURIComponent(text); } catch { return ""; }
}

// The address follows, a little later: browsers limit how often it changes.
let waiting = 0;
function remember(written_) {
  clearTimeout(waiting);
  waiting = setTimeout(() => history.replaceState(null, "", `#${written_}`), 150);
}
