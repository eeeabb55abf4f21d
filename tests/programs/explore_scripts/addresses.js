said.wrong = [];
const deep = ["channels=2&outputs=3&images=2&b=1,2,3&at=k.2.1.2.3", ...Object.values(DEEP)];
for (const operation of Object.keys(OPERATIONS)) for (const words of [...Object.values(PRESETS[operation]), ...deep])
  for (const map of Object.keys(MAPS[operation])) {
    const once = writeState(readState(`#op=${operation}&map=${map}&${words}`)), twice = writeState(readState(`#${once}`));
    if (once !== twice) said.wrong.push([once, twice]);
  }
said.place = writeState(readState(`#op=conv&map=db&${deep[0]}`)).split("&").at(-1);
said.deep = writeState(readState(`#op=conv&${deep[0]}`));
said.much = writeState(readState("#op=conv&input=1x1&kernel=1x1&channels=9&outputs=2&groups=2&images=0&b=&x=1,2,3,4&at=x.1.1.1.3"));
said.odd = writeState(readState("#op=sum&map=&input=99x-1&kernel=axb&x=1,two,nan&at=y.9.9&%&k=%E0%A4%A"));
