// Drawn things: circles, boxes, triangles, letters of an SVG, coloured parts of the page. What they
// are, how large, which colour, and where.
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
    letter: (f) => f.kind === 'letter', digit: (f) => f.kind === 'digit', polygon: (f) => f.e.localName === 'polygon',
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
