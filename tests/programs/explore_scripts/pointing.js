hover(cellOf("y", "y.1.2"));
said.saw = [lit("x"), lit("k")];
hover(cellOf("x", "x.1.2"));
said.sends = [lit("y"), lit("k"), $("sums").textContent.replace(/\\s/g, "")];
hover(cellOf("k", "k.3.3"));
said.multiplies = [lit("x"), lit("y")];
await later(500);
said.address = location.hash.split("at=")[1];
