// Work on what is being edited: a part of a text gets a style, a field another size, a suggestion is
// taken. Loaded only for such instructions.
(() => {
  const T = globalThis.__troupe;
  if (T.has.editing) return;
  T.has.editing = 1;
  const { clean, fold } = T;

  // --- Suggestions under a field. ---
  // The first entry that is offered and begins and ends so.
  T.suggestion = (starts, ends) => {
    const found = T.everything(document).filter((e) => {
      if (!/^(li|option)$/.test(e.localName) && !/^(option|menuitem|treeitem)$/.test(e.getAttribute('role') || '')) return false;
      const text = clean(e.innerText || e.textContent);
      return T.visible(e) && fold(text).startsWith(fold(starts)) && fold(text).endsWith(fold(ends));
    });
    const outer = found.filter((e) => !found.some((o) => o !== e && T.holds(o, e)));
    if (!outer.length) return { why: 'none' };
    return { ref: T.remember(outer[0]), text: clean(outer[0].innerText) };
  };

  // --- Texts in an editor. ---
  const editors = () => T.everything(document).filter((e) => e.isContentEditable && e.parentElement && !e.parentElement.isContentEditable && T.visible(e) && clean(e.innerText));
  let range = null;
  let chosen = '';
  // Selects the text, which must stand there once; all of it when none is given. `stop`: a point or
  // comma that follows belongs to it.
  T.selectInEditor = (text, stop) => {
    const some = editors();
    if (some.length !== 1) return { why: some.length ? 'many' : 'none' };
    const [e] = some, doc = e.ownerDocument;
    e.focus();
    range = doc.createRange();
    const walk = doc.createTreeWalker(e, 4), nodes = [];
    while (walk.nextNode()) nodes.push(walk.currentNode);
    if (!text) {
      const last = nodes[nodes.length - 1];
      range.setStart(nodes[0], 0);
      range.setEnd(last, last.data.length);
    } else {
      const hits = [], word = /[\p{L}\p{N}]/u;
      for (const n of nodes)
        for (let at = n.data.indexOf(text); at >= 0; at = n.data.indexOf(text, at + 1))
          if (!word.test(n.data[at - 1] || ' ') && !word.test(n.data[at + text.length] || ' ')) hits.push([n, at]);
      if (hits.length !== 1) return { why: hits.length ? 'many' : 'none' };
      range.setStart(hits[0][0], hits[0][1]);
      const end = hits[0][1] + text.length;
      range.setEnd(hits[0][0], stop && /[.,;:!?]/.test(hits[0][0].data[end] || '') ? end + 1 : end);
    }
    const selection = doc.getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
    chosen = text ? String(selection).trim() : '';
    return { selected: String(selection) };
  };
  const rgb = (text) => { const m = /^rgba?\((\d+), (\d+), (\d+)(?:, ([\d.]+))?/.exec(text || ''); return m && m[4] !== '0' ? [+m[1], +m[2], +m[3]] : null; };
  const colourNamed = (name) => {
    const probe = document.createElement('i');
    probe.style.color = name;
    document.documentElement.append(probe);
    const found = rgb(getComputedStyle(probe).color);
    probe.remove();
    return found;
  };
  const apart = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
  // Whether all of the text that was selected has the style now. Editors put new nodes in its place.
  T.styledAs = (style) => {
    const [e] = editors();
    if (!e) return false;
    const walk = e.ownerDocument.createTreeWalker(e, 4), nodes = [];
    while (walk.nextNode()) if (walk.currentNode.data.trim() && (!chosen || walk.currentNode.data.trim() === chosen)) nodes.push(walk.currentNode);
    const has = (n) => {
      const s = getComputedStyle(n.parentElement);
      if (style === 'bold') return s.fontWeight === 'bold' || +s.fontWeight >= 600;
      if (style === 'italic') return s.fontStyle !== 'normal';
      return n.parentElement.closest('u') !== null || /underline/.test(s.textDecorationLine);
    };
    return nodes.length > 0 && nodes.every(has);
  };
  const tokens = (e) => [e.className, e.title, e.getAttribute('aria-label'), e.id].filter((s) => typeof s === 'string').join(' ').toLowerCase().split(/[^a-z]+/);
  // What opens the colours of the text.
  T.colourOpener = () => {
    const some = T.everything(document).filter((e) => T.visible(e) && tokens(e).some((t) => t === 'color' || t === 'colour') && !tokens(e).includes('background'));
    const press = some.map((e) => (e.matches('button,[role=button]') ? e : e.querySelector('button,[role=button]') || e));
    const only = [...new Set(press)].filter((e) => !press.some((o) => o !== e && T.holds(e, o)));
    return only.length === 1 ? { ref: T.remember(only[0]) } : { why: only.length ? 'many' : 'none' };
  };
  // The small coloured part that comes nearest to the colour.
  T.swatch = (name) => {
    const want = colourNamed(name);
    let best = null, least = 120;
    for (const e of T.everything(document)) {
      if (e.children.length || clean(e.textContent) || !T.visible(e)) continue;
      const b = T.box(e), have = b[2] <= 40 && b[3] <= 40 ? rgb(getComputedStyle(e).backgroundColor) : null;
      const d = have ? apart(have, want) : 1000;
      if (d < least) { least = d; best = e; }
    }
    return best ? { ref: T.remember(best) } : { why: 'none' };
  };
  T.colouredAs = (name) => {
    const [e] = editors(), want = colourNamed(name);
    if (!e) return false;
    const walk = e.ownerDocument.createTreeWalker(e, 4), nodes = [];
    while (walk.nextNode()) if (walk.currentNode.data.trim() && (!chosen || walk.currentNode.data.trim() === chosen)) nodes.push(walk.currentNode);
    return nodes.length > 0 && nodes.every((n) => apart(rgb(getComputedStyle(n.parentElement).color) || [0, 0, 0], want) < 120);
  };

  // --- The corner that a field is pulled by. ---
  T.resizeHandle = (ref) => {
    const e = T.refs[ref];
    if (!e || !e.isConnected) return { why: 'none' };
    const own = T.box(e), around = e.parentElement || e;
    const handles = T.everything(around).filter((h) => h !== e && /resiz/.test(String(h.className)) && /handle|grip/.test(String(h.className)) && T.visible(h));
    const corner = handles.filter((h) => { const b = T.box(h); return Math.abs(b[0] + b[2] - own[0] - own[2]) < 24 && Math.abs(b[1] + b[3] - own[1] - own[3]) < 24; });
    // The smallest part at the corner moves both ways; bars along the sides move one.
    corner.sort((a, b) => T.box(a)[2] * T.box(a)[3] - T.box(b)[2] * T.box(b)[3]);
    const square = corner.find((h) => { const b = T.box(h); return b[2] < 40 && b[3] < 40; });
    if (square) { const b = T.box(square); return { x: b[0] + b[2] / 2, y: b[1] + b[3] / 2, width: own[2], height: own[3] }; }
    if (getComputedStyle(e).resize !== 'none') return { x: own[0] + own[2] - 5, y: own[1] + own[3] - 5, width: own[2], height: own[3] };
    return { why: 'none' };
  };
})();
