said.began = Boolean(playing);
$("next").click();
said.next = keyOf(state.at.kind, state.at.index);
$("play").click();
await later(matchMedia("(prefers-reduced-motion: reduce)").matches ? 2500 : 1500);
said.played = [keyOf(state.at.kind, state.at.index), $("play").textContent.includes("Pause"), $("sums").getAttribute("aria-live")];
cellOf("x", "x.1.1").focus();
said.stopped = [Boolean(playing), $("sums").getAttribute("aria-live")];
