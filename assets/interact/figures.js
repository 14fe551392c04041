// Drawn things: circles, boxes, triangles, letters of an SVG, coloured parts of the page, pictures on
// a canvas. What they are, how large, which colour, and where; points and lines between them.
// Loaded only for instructions that speak of such things.
(() => {
  const T = globalThis.__troupe;
  if (T.has.figures) return;
  T.has.figures = 1;
  const { clean } = T;
  const FIGURES_MAX = 1000;

  // --- Colours. ---
  const parts = (text) => {
    const m = /^rgba?\((\d+), (\d+), (\d+)(?:, ([\d.]+))?/.exec(text || '');
    return m && m[4] !== '0' ? [+m[1], +m[2], +m[3]] : null;
  };
  const named = new Map();
  const colourNamed = (name) => {
    if (named.has(name)) return named.get(name);
    const probe = document.createElement('i');
    probe.style.color = name;
    let found = null;
    if (probe.style.color) {
      document.documentElement.append(probe);
      found = parts(getComputedStyle(probe).color);
      probe.remove();
    }
    named.set(name, found);
    return found;
  };
  const PALETTE = ['black', 'white', 'gray', 'red', 'green', 'lime', 'blue', 'navy', 'yellow', 'orange', 'purple', 'pink', 'brown', 'cyan', 'magenta', 'teal', 'olive', 'maroon'];
  const distance = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
  const isColour = (have, name) => {
    const want = colourNamed(name);
    if (!have || !want) return false;
    if (distance(have, want) < 40) return true;
    const nearest = PALETTE.reduce((best, p) => (distance(have, colourNamed(p)) < distance(have, colourNamed(best)) ? p : best));
    return nearest === name && distance(have, want) < 110;
  };
  const hsl = ([r, g, b]) => {
    const max = Math.max(r, g, b), min = Math.min(r, g, b), d = max - min, l = (max + min) / 510;
    if (!d) return [0, 0, l];
    const h = max === r ? ((g - b) / d + 6) % 6 : max === g ? (b - r) / d + 2 : (r - g) / d + 4;
    return [h * 60, d / 255 / (1 - Math.abs(2 * l - 1)), l];
  };
  // A lighter, darker or paler tone of a colour.
  const isShade = (have, name) => {
    const want = colourNamed(name);
    if (!have || !want) return false;
    const a = hsl(have), b = hsl(want), turn = Math.abs(a[0] - b[0]);
    if (b[1] < 0.1) return a[1] < 0.1;
    return a[1] >= 0.12 && Math.min(turn, 360 - turn) <= 30;
  };

  // --- What is drawn. ---
  const style = (e) => e.ownerDocument.defaultView.getComputedStyle(e);
  const GEOMETRY = /^(circle|ellipse|rect|polygon|text)$/;
  const read = (e) => {
    const tag = e.localName, svg = Boolean(e.ownerSVGElement), s = style(e);
    if (svg ? !GEOMETRY.test(tag) : e.children.length || /^(img|canvas|input|button|select|textarea|a|label|svg|br|hr|p|h\d|li)$/.test(tag)) return null;
    const [x, y, w, h] = T.box(e), text = clean(e.textContent);
    if (w < 2 || h < 2 || w > 600 || h > 600) return null;
    const f = { e, box: [x, y, w, h], text: '', size: Math.max(w, h) };
    if (svg) {
      f.fill = s.fill === 'none' ? null : parts(s.fill);
      f.line = s.stroke === 'none' ? null : parts(s.stroke);
      if (!f.fill && !f.line) return null;
      if (tag === 'text') {
        f.text = text;
        f.size = parseFloat(s.fontSize) || f.size;
        f.kind = /^\d$/.test(text) ? 'digit' : /^\p{L}$/u.test(text) ? 'letter' : 'text';
      } else if (tag === 'rect') f.kind = 'rectangle';
      else if (tag === 'polygon') f.kind = e.points.numberOfItems === 3 ? 'triangle' : e.points.numberOfItems === 4 ? 'rectangle' : 'polygon';
      else f.kind = 'circle';
      if (tag === 'polygon') f.sides = e.points.numberOfItems;
      f.middle = !f.fill;
    } else {
      const border = parseFloat(s.borderTopWidth) > 0 && s.borderTopStyle !== 'none';
      f.fill = parts(s.backgroundColor);
      f.line = border ? parts(s.borderTopColor) : null;
      if ((!f.fill && !f.line) || text.length > 2 || w < 6 || h < 6) return null;
      f.kind = s.borderTopLeftRadius.endsWith('50%') ? 'circle' : 'rectangle';
      f.text = text;
      f.middle = !f.fill;
    }
    return f;
  };
  const figures = () => {
    const found = [];
    for (const e of T.everything(document)) {
      const f = T.visible(e) ? read(e) : null;
      if (f) found.push(f);
      if (found.length >= FIGURES_MAX) break;
    }
    // What was drawn under all others as a ground is none of them.
    return found.filter((f) => !found.some((o) => o !== f && f.fill && !f.line && inside(o.box, f.box) && f.size > 6 * o.size));
  };
  const inside = (a, b) => a[0] >= b[0] && a[1] >= b[1] && a[0] + a[2] <= b[0] + b[2] && a[1] + a[3] <= b[1] + b[3];
  const colourOf = (f) => f.fill || f.line;
  const centre = (f) => [f.box[0] + f.box[2] / 2, f.box[1] + f.box[3] / 2];

  // --- Which are meant. `q`: {kind, colour, shade, size, text, where, compare}. ---
  const KINDS = {
    circle: (f) => f.kind === 'circle', rectangle: (f) => f.kind === 'rectangle', triangle: (f) => f.kind === 'triangle',
    square: (f) => f.kind === 'rectangle' && Math.abs(f.box[2] - f.box[3]) <= 2, box: (f) => f.kind === 'rectangle',
    letter: (f) => f.kind === 'letter', digit: (f) => f.kind === 'digit', polygon: (f) => f.sides > 2,
    shape: (f) => !/^(letter|digit|text)$/.test(f.kind), point: (f) => f.kind === 'circle' && f.size <= 20, item: () => true,
  };
  // Large and small are told by the widest gap between sizes.
  const divide = (all) => {
    const sizes = [...new Set(all.map((f) => Math.round(f.size)))].sort((a, b) => a - b);
    let at = 0, ratio = 1;
    for (let i = 1; i < sizes.length; i++) if (sizes[i] / sizes[i - 1] > ratio) { ratio = sizes[i] / sizes[i - 1]; at = (sizes[i] + sizes[i - 1]) / 2; }
    return ratio >= 1.3 ? at : 0;
  };
  const fitting = (all, q) => {
    let found = all.filter((f) => KINDS[q.kind || 'item'](f));
    if (q.text) found = found.filter((f) => f.text === q.text);
    if (q.colour) found = found.filter((f) => (q.shade ? isShade : isColour)(colourOf(f), q.colour));
    if (q.size) {
      const border = divide(all);
      if (!border) return null;
      found = found.filter((f) => (q.size === 'large') === f.size > border);
    }
    const most = (measure) => found.filter((f) => measure(f) > Math.max(...found.filter((o) => o !== f).map(measure), -Infinity) + 1);
    if (q.compare === 'larger') found = most((f) => f.box[2] * f.box[3]);
    if (q.compare === 'smaller') found = most((f) => -f.box[2] * f.box[3]);
    if (q.where === 'left') found = most((f) => -f.box[0]);
    if (q.where === 'right') found = most((f) => f.box[0] + f.box[2]);
    if (q.where === 'top') found = most((f) => -f.box[1]);
    if (q.where === 'bottom') found = most((f) => f.box[1] + f.box[3]);
    return found;
  };
  const tell = (f) => {
    const [x, y] = centre(f);
    return { ref: T.remember(f.e), what: f.kind + (f.text ? ' "' + f.text + '"' : ''), x, y };
  };
  T.figures = (q) => {
    const found = fitting(figures(), q);
    return found ? { found: found.map(tell) } : { why: 'size' };
  };
  // What the only figure of the page is called.
  T.figureKind = () => {
    const all = figures();
    if (all.length !== 1) return { count: all.length };
    const NAMES = { digit: ['digit', 'number'], rectangle: ['rectangle', 'square', 'box'], circle: ['circle'], triangle: ['triangle'], letter: ['letter'] };
    return { count: 1, names: NAMES[all[0].kind] || [all[0].kind] };
  };

  // --- Dragging into boxes: `groups` of {what, into}; {rest: true}: all that no other group takes. ---
  // A box to put things into is empty inside, or larger than all that is put there.
  const holderOf = (all, place) => {
    const boxes = fitting(all, { ...place, where: '' });
    if (!boxes) return null;
    const hollow = boxes.filter((f) => f.middle && f.box[2] > 20 && f.box[3] > 20), some = hollow.length ? hollow : boxes;
    const fit = fitting(some, place);
    return fit && fit.length === 1 ? fit[0] : null;
  };
  T.dragPlan = (groups) => {
    const all = figures(), holders = groups.map((g) => holderOf(all, g.into));
    if (holders.some((h) => !h)) return { why: 'place' };
    let left = all.filter((f) => !holders.includes(f) && !f.middle);
    const moves = [];
    for (const [i, g] of groups.entries()) {
      const some = g.rest ? left : fitting(left, g.what);
      if (!some) return { why: 'size' };
      left = left.filter((f) => !some.includes(f));
      const [bx, by, bw, bh] = holders[i].box, columns = Math.max(1, Math.ceil(Math.sqrt(some.length))), rows = Math.ceil(some.length / columns) || 1;
      some.forEach((f, n) => {
        const [x, y] = centre(f), margin = Math.min(bw, bh) * 0.24;
        const tx = bx + margin + (bw - 2 * margin) * ((n % columns) + 0.5) / columns;
        const ty = by + margin + (bh - 2 * margin) * (Math.floor(n / columns) + 0.5) / rows;
        if (!inside(f.box, holders[i].box)) moves.push({ ref: T.remember(f.e), x, y, tx, ty });
      });
    }
    return { moves };
  };

  // --- Sides of the one polygon that is drawn, in an SVG or on a canvas. ---
  const cross = (o, a, b) => (a[0] - o[0]) * (b[1] - o[1]) - (a[1] - o[1]) * (b[0] - o[0]);
  const hull = (points) => {
    points.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
    const half = (list) => {
      const out = [];
      for (const p of list) {
        while (out.length > 1 && cross(out[out.length - 2], out[out.length - 1], p) <= 0) out.pop();
        out.push(p);
      }
      out.pop();
      return out;
    };
    return [...half(points), ...half(points.slice().reverse())];
  };
  const off = (p, a, b) => Math.abs(cross(a, b, p)) / (Math.hypot(b[0] - a[0], b[1] - a[1]) || 1);
  const simplify = (line, slack) => {
    let at = 0, most = 0;
    for (let i = 1; i + 1 < line.length; i++) {
      const d = off(line[i], line[0], line[line.length - 1]);
      if (d > most) { most = d; at = i; }
    }
    if (most <= slack) return [line[0], line[line.length - 1]];
    return [...simplify(line.slice(0, at + 1), slack).slice(0, -1), ...simplify(line.slice(at), slack)];
  };
  const corners = (canvas) => {
    const { width, height } = canvas, dots = [];
    if (!width || !height || width * height > 4e6) return 0;
    const data = canvas.getContext('2d').getImageData(0, 0, width, height).data;
    for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) if (data[4 * (y * width + x) + 3] > 127) dots.push([x, y]);
    if (dots.length < 20 || dots.length > width * height * 0.9) return 0;
    const ring = hull(dots), size = Math.max(...ring.map((p) => Math.hypot(p[0] - ring[0][0], p[1] - ring[0][1])));
    // From the corner farthest from the middle, so that the ring begins at a corner.
    const mx = ring.reduce((s, p) => s + p[0], 0) / ring.length, my = ring.reduce((s, p) => s + p[1], 0) / ring.length;
    const from = ring.reduce((best, p, i) => (Math.hypot(p[0] - mx, p[1] - my) > Math.hypot(ring[best][0] - mx, ring[best][1] - my) ? i : best), 0);
    const turned = [...ring.slice(from), ...ring.slice(0, from)];
    const opposite = turned.reduce((best, p, i) => (Math.hypot(p[0] - turned[0][0], p[1] - turned[0][1]) > Math.hypot(turned[best][0] - turned[0][0], turned[best][1] - turned[0][1]) ? i : best), 0);
    const slack = size * 0.045;
    const found = [...simplify(turned.slice(0, opposite + 1), slack).slice(0, -1), ...simplify([...turned.slice(opposite), turned[0]], slack).slice(0, -1)];
    // A corner is drawn some pixels wide: what lies close together is one, what hardly turns is none.
    const apart = found.filter((p, i) => Math.hypot(p[0] - found[(i + 1) % found.length][0], p[1] - found[(i + 1) % found.length][1]) > size * 0.12);
    const real = apart.filter((p, i) => off(p, apart[(i + apart.length - 1) % apart.length], apart[(i + 1) % apart.length]) > slack);
    // A circle has no corners: its pieces would be many and short.
    return real.length > 8 ? 0 : real.length;
  };
  T.sides = () => {
    const drawn = figures().filter((f) => f.sides || f.kind === 'rectangle'), canvases = T.all({ css: 'canvas' }).filter((c) => T.visible(c));
    const svg = drawn.filter((f) => f.e.ownerSVGElement);
    if (svg.length + canvases.length !== 1) return { count: svg.length + canvases.length, sides: 0 };
    return { count: 1, sides: svg.length ? svg[0].sides || 4 : corners(canvases[0]) };
  };

  // --- Points and lines of a drawing. ---
  const surface = () => {
    const all = T.all({ css: 'svg,canvas' }).filter((e) => T.visible(e) && T.box(e)[2] >= 60 && T.box(e)[3] >= 60);
    return all.length === 1 ? T.box(all[0]) : null;
  };
  const lines = () => T.all({ css: 'line' }).filter((e) => T.visible(e) || e.getBBox().height + e.getBBox().width > 1).map((e) => {
    const m = e.getScreenCTM(), at = (x, y) => [m.a * x + m.c * y + m.e, m.b * x + m.d * y + m.f];
    return [at(e.x1.baseVal.value, e.y1.baseVal.value), at(e.x2.baseVal.value, e.y2.baseVal.value)];
  });
  const within = ([x, y], s) => x > s[0] + 2 && y > s[1] + 2 && x < s[0] + s[2] - 2 && y < s[1] + s[3] - 2;
  const near = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1]) < 6;
  // The point where lines meet: with the ends that go from it.
  const vertex = (ends) => {
    const count = ends.map((p) => ends.filter((o) => near(o, p)).length), top = Math.max(...count);
    const at = ends[count.indexOf(top)];
    return { at, others: ends.filter((p) => !near(p, at)) };
  };
  const away = (from, angle, length) => [from[0] + Math.cos(angle) * length, from[1] + Math.sin(angle) * length];
  const angleOf = (from, to) => Math.atan2(to[1] - from[1], to[0] - from[0]);
  const reach = (from, angle, ground, longest) => {
    for (let d = longest; d >= 10; d -= 2) if (within(away(from, angle, d), ground)) return away(from, angle, d);
    return null;
  };
  const POINTS = {
    center: (g) => {
      const circles = figures().filter((f) => f.kind === 'circle');
      return circles.length === 1 ? [centre(circles[0])] : null;
    },
    midpoint: (g) => {
      const dots = figures().filter((f) => f.kind === 'circle' && f.size <= 20).map(centre);
      return dots.length === 2 ? [[(dots[0][0] + dots[1][0]) / 2, (dots[0][1] + dots[1][1]) / 2]] : null;
    },
    bisect: (g) => {
      const all = lines();
      if (all.length !== 2) return null;
      const { at, others } = vertex(all.flat());
      if (others.length !== 2) return null;
      const turn = others.map((p) => [Math.cos(angleOf(at, p)), Math.sin(angleOf(at, p))]);
      const p = reach(at, Math.atan2(turn[0][1] + turn[1][1], turn[0][0] + turn[1][0]), g, 50);
      return p && [p];
    },
    // Where the right angle stands: at the end of the line whose dot is coloured unlike black, else at its second end.
    square: (g) => {
      const all = lines(), dots = figures().filter((f) => f.kind === 'circle' && f.size <= 20);
      if (all.length !== 1 || dots.length !== 2) return null;
      const marked = dots.filter((f) => !isColour(colourOf(f), 'black')), at = centre(marked.length === 1 ? marked[0] : dots[1]);
      const other = centre(dots.find((f) => !near(centre(f), at))), angle = angleOf(at, other);
      const found = [1, -1].map((way) => reach(at, angle + way * Math.PI / 2, g, 50)).filter(Boolean);
      const length = (p) => Math.hypot(p[0] - at[0], p[1] - at[1]);
      found.sort((a, b) => length(b) - length(a));
      return found.length && length(found[0]) >= 16 ? [found[0]] : null;
    },
  };
  // Clicks: one point. Strokes: the points that the mouse goes through.
  T.drawingPoints = (kind) => {
    const ground = surface();
    if (!ground) return { why: 'surface' };
    if (POINTS[kind]) {
      const points = POINTS[kind](ground);
      return points ? { points } : { why: 'figure' };
    }
    const dots = figures().filter((f) => f.kind === 'circle' && f.size <= 20);
    if (dots.length !== 1) return { why: 'figure' };
    const [x, y] = centre(dots[0]), [left, top, width, height] = ground;
    if (kind === 'circle') {
      const r = Math.min(30, x - left - 4, y - top - 4, left + width - x - 4, top + height - y - 4);
      if (r < 12) return { why: 'room' };
      return { points: Array.from({ length: 33 }, (_, i) => away([x, y], i * Math.PI / 16, r)) };
    }
    const steps = Array.from({ length: 13 }, (_, i) => i / 12), pad = 4;
    const points = kind === 'vertical' ? steps.map((s) => [x, top + pad + (height - 2 * pad) * s]) : steps.map((s) => [left + pad + (width - 2 * pad) * s, y]);
    return { points };
  };

  // --- Charts: the place of a pair of numbers, by the numbers that stand along the axes. ---
  const fitLine = (pairs) => {
    const n = pairs.length, mx = pairs.reduce((s, p) => s + p[0], 0) / n, my = pairs.reduce((s, p) => s + p[1], 0) / n;
    const k = pairs.reduce((s, p) => s + (p[0] - mx) * (p[1] - my), 0) / pairs.reduce((s, p) => s + (p[0] - mx) ** 2, 0);
    return { at: (v) => my + k * (v - mx), worst: Math.max(...pairs.map((p) => Math.abs(my + k * (p[0] - mx) - p[1]))), k };
  };
  T.chartPoint = (x, y) => {
    const marks = T.everything(document).filter((e) => !e.children.length && T.visible(e) && /^[-\u2212]?\d+(\.\d+)?$/.test(clean(e.textContent))).map((e) => {
      const b = T.box(e);
      return { v: +clean(e.textContent).replace('\u2212', '-'), x: b[0] + b[2] / 2, y: b[1] + b[3] / 2 };
    });
    const axis = (across, along) => {
      let best = null;
      for (const m of marks) {
        const row = marks.filter((o) => Math.abs(o[across] - m[across]) <= 8);
        if (new Set(row.map((o) => o.v)).size >= 3 && (!best || row.length > best.length)) best = row;
      }
      return best && fitLine(best.map((o) => [o.v, o[along]]));
    };
    const h = axis('y', 'x'), v = axis('x', 'y');
    if (!h || !v || !(h.k > 0) || !(v.k < 0)) return { why: 'axes' };
    const want = [h.at(x), v.at(y)], slack = Math.min(Math.abs(h.k), Math.abs(v.k)) * 0.45;
    if (h.worst > slack || v.worst > slack) return { why: 'axes' };
    // A plotted point there is what is meant.
    const dots = figures().filter((f) => f.kind === 'circle' && f.size <= 20 && Math.hypot(centre(f)[0] - want[0], centre(f)[1] - want[1]) < slack);
    dots.sort((a, b) => Math.hypot(centre(a)[0] - want[0], centre(a)[1] - want[1]) - Math.hypot(centre(b)[0] - want[0], centre(b)[1] - want[1]));
    return dots.length ? { ...tell(dots[0]), points: [centre(dots[0])] } : { points: [want] };
  };

  // How many alike parts of that name there are: `blocks`.
  T.countOf = (noun) => {
    const found = fitting(figures(), { kind: KINDS[noun] ? noun : 'item' });
    if (KINDS[noun]) return found.length;
    const kinds = new Map();
    for (const e of T.everything(document)) {
      if (e.children.length || clean(e.textContent) || !T.visible(e) || typeof e.className !== 'string') continue;
      if (e.className.toLowerCase().split(/[^a-z0-9]+/).includes(noun)) kinds.set(e.className, (kinds.get(e.className) || 0) + 1);
    }
    return kinds.size === 1 ? [...kinds.values()][0] : -1;
  };
})();
