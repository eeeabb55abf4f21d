"use strict";
const $ = id => document.getElementById(id), all = what => [...document.querySelectorAll(what)];
const rows = all(".row"), groups = all(".group"), wasOpen = new Map(groups.map(g => [g, g.open]));

// The programs of a row, unpacked when it opens.
let texts;
const unpack = () => texts ??= new Response(new Blob([Uint8Array.from(atob($("texts").textContent), c => c.charCodeAt(0))]).stream()
  .pipeThrough(new DecompressionStream("gzip"))).json();
async function fill(row) {
  for (const box of row.querySelectorAll(".box")) if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
  const place = row.querySelector(".programs:empty");
  if (!place) return;
  place.append("…");
  let found = null;
  try { found = await unpack(); } catch { place.textContent = "This browser cannot unpack the programs (DecompressionStream)."; return; }
  place.textContent = "";
  place.dataset.t.split(" ").forEach((n, k) => {
    const part = document.createElement("div"), title = document.createElement("h4"), pre = document.createElement("pre");
    title.textContent = ["explicit", "autodiff"][k % 2] + (k < 2 ? ", jaxpr" : ", compiled (excerpt)");
    pre.textContent = found[n] || "–";
    pre.tabIndex = 0;
    part.append(title, pre);
    place.append(part);
  });
}
document.addEventListener("toggle", e => e.target.matches(".row") && e.target.open && fill(e.target), true);

function search() {
  const words = $("q").value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const row of rows) {
    const text = [...row.querySelectorAll(".g > *")].map(cell => cell.textContent).join(" ").toLowerCase();
    row.hidden = !words.every(word => text.includes(word));
  }
  for (const group of groups) {
    group.hidden = !group.querySelector(".row:not([hidden])");
    group.open = words.length ? true : wasOpen.get(group);
  }
  $("n").textContent = words.length ? rows.filter(row => !row.hidden).length + " of " + rows.length : "";
}
$("q").addEventListener("input", search);
$("open").addEventListener("click", () => all(".group:not([hidden]), .row:not([hidden])").forEach(d => d.open = true));
$("shut").addEventListener("click", () => all(".group, .row").forEach(d => d.open = false));

// A link to a row opens it.
function jump() {
  const row = location.hash.startsWith("#r") && $(location.hash.slice(1));
  if (row && row.matches(".row")) { row.hidden = false; row.parentElement.hidden = false; row.parentElement.open = row.open = true; row.scrollIntoView(); }
}
addEventListener("hashchange", jump);
jump();
