// Draws a film's poster as SVG from its title, year, topic and hue: no picture is ever fetched.

const SVG = "http://www.w3.org/2000/svg";

function shape(name, attributes, text) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

const motifs = {
  comedy: (ink) => [  // a bowler hat over a moustache
    shape("path", { d: "M205 78a34 34 0 0 1 68 0v14h-68z", fill: ink }),
    shape("rect", { x: 186, y: 90, width: 106, height: 9, rx: 4.5, fill: ink }),
    shape("path", { d: "M214 128q12-12 25 0 13-12 25 0-8 12-25 5-17 7-25-5z", fill: ink }),
  ],
  horror: (ink) => [  // a moon and a bat
    shape("circle", { cx: 246, cy: 68, r: 40, fill: ink }),
    shape("path", { d: "M206 116q10-18 22-8l6-10 5 6 5-6 6 10q12-10 22 8-12-4-18 4-8-6-15 4-7-10-15-4-6-8-18-4z", fill: "#140c14" }),
  ],
  "science fiction": (ink) => [  // a ringed planet and stars
    shape("circle", { cx: 244, cy: 84, r: 33, fill: ink }),
    shape("ellipse", { cx: 244, cy: 84, rx: 60, ry: 13, fill: "none", stroke: ink, "stroke-width": 5, transform: "rotate(-18 244 84)" }),
    shape("path", { d: "M176 40l3 8 8 3-8 3-3 8-3-8-8-3 8-3zM292 30l2 6 6 2-6 2-2 6-2-6-6-2 6-2z", fill: ink }),
  ],
  western: (ink) => [  // a low sun, hills and a cactus
    shape("circle", { cx: 240, cy: 92, r: 36, fill: ink }),
    shape("path", { d: "M150 134q50-34 90-14t80-22v82H150z", fill: "#1b120b" }),
    shape("path", { d: "M212 132V72q0-7 6-7t6 7v22h8V84q0-5 5-5t5 5v20h-18v28z", fill: "#1b120b" }),
  ],
  documentary: (ink) => [  // a globe
    ...[["circle", { cx: 244, cy: 84, r: 42 }], ["ellipse", { cx: 244, cy: 84, rx: 18, ry: 42 }],
      ["path", { d: "M202 84h84M208 62h72M208 106h72" }]].map(([name, given]) =>
      shape(name, { ...given, fill: "none", stroke: ink, "stroke-width": 4 })),
  ],
  animation: (ink) => [  // a bouncing ball, frame by frame
    ...[0, 1, 2, 3, 4].map((i) => shape("circle", {
      cx: 182 + i * 27, cy: 118 - Math.sin((i / 4) * Math.PI) * 62, r: 11 + i * 2,
      fill: ink, opacity: 0.3 + i * 0.17 })),
  ],
  "film noir": (ink) => [  // window blinds and a shadow
    ...[0, 1, 2, 3, 4, 5].map((i) => shape("path", { d: `M186 ${36 + i * 19}l112-14v9l-112 14z`, fill: ink, opacity: 0.85 })),
    shape("path", { d: "M216 150q2-34 20-38-6-8-4-18h-12l16-5q2-12 13-12t13 12l16 5h-12q2 10-4 18 18 4 20 38z", fill: "#0c0c10" }),
  ],
  romance: (ink) => [
    shape("path", { d: "M244 130q-46-32-46-60 0-22 22-22 16 0 24 16 8-16 24-16 22 0 22 22 0 28-46 60z", fill: ink }),
  ],
  other: (ink) => [  // two beams of light
    shape("path", { d: "M160 160l60-128 26 0 0 128z", fill: ink, opacity: 0.55 }),
    shape("path", { d: "M320 160l-52-128-26 0 0 128z", fill: ink, opacity: 0.4 }),
    shape("circle", { cx: 243, cy: 98, r: 17, fill: ink }),
  ],
};

function lines(title) {
  const rows = [""];
  for (const word of title.split(" ")) {
    const row = rows[rows.length - 1];
    if (row && row.length + word.length > 11) rows.push(word);
    else rows[rows.length - 1] = row ? `${row} ${word}` : word;
  }
  if (rows.length <= 4) return rows;
  return [...rows.slice(0, 3), `${rows[3]} …`];
}

export function poster(film) {
  const ink = `hsl(${film.hue} 70% 78%)`;
  const svg = shape("svg", { viewBox: "0 0 320 180", "aria-hidden": "true", preserveAspectRatio: "xMidYMid slice" });
  svg.append(shape("rect", { width: 320, height: 180, fill: `hsl(${film.hue} 42% 22%)` }));
  svg.append(shape("path", { d: "M0 180L320 0v180z", fill: `hsl(${(film.hue + 24) % 360} 46% 17%)` }));
  svg.append(...(motifs[film.topic] || motifs.other)(ink));
  for (const y of [0, 168]) {
    svg.append(shape("rect", { y, width: 320, height: 12, fill: "#000", opacity: 0.55 }));
    for (let x = 6; x < 320; x += 20)
      svg.append(shape("rect", { x, y: y + 3, width: 9, height: 6, rx: 1.5, fill: "#fff", opacity: 0.28 }));
  }
  const rows = lines(film.title);
  const top = 92 - (rows.length - 1) * 12;
  rows.forEach((row, i) => svg.append(shape("text", {
    x: 18, y: top + i * 25, fill: "#fff", "font-family": "Georgia, serif", "font-weight": 700, "font-size": 22 }, row)));
  svg.append(shape("text", { x: 18, y: top + rows.length * 25, fill: ink, "font-family": "system-ui, sans-serif", "font-size": 14, "letter-spacing": 2 }, String(film.year)));
  return svg;
}
