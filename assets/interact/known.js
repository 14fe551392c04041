// Finds an element that is known from an earlier time, without listing the page: only what has the
// same role, name, label and ids, is the only one of its kind, and stands on a page of the same shape.
(() => {
  const T = globalThis.__troupe;
  if (T.has.known) return;
  T.has.known = 1;
  const { clip, fold } = T;

  // Cheap, before the name is computed: an element that is named by its content holds its first word.
  const mayBeNamed = (e, word) => !word || e.textContent.includes(word) || e.hasAttribute('aria-label') ||
    e.hasAttribute('aria-labelledby') || T.isField(e) || /^(input|img|svg|area)$/.test(e.localName) ||
    e.hasAttribute('title') || e.hasAttribute('alt') || !!e.querySelector('img,svg,input,[aria-label]') || !!T.shadowOf(e);
  const named = (e, name) => {
    const own = clip(T.name(e), 200);
    return own === name || (!own && clip(T.content(e), 200) === name);
  };
  const shown = (e) => T.visible(e) || (T.interactive(e) && T.labelsOf(e).some((l) => T.visible(l)));
  const same = (e, k, word) => {
    if (k.test !== T.testId(e) || k.id !== T.ownId(e)) return false;
    const role = T.role(e);
    if (role !== k.role && !(k.role === 'text' && role === 'generic')) return false;
    const field = T.isField(e);
    if (field && ((e.type || '') !== k.type || (e.getAttribute('placeholder') || '') !== k.placeholder)) return false;
    if (!mayBeNamed(e, word) || !shown(e)) return false;
    return named(e, k.name) && (!field || clip(T.label(e), 120) === k.label);
  };
  // Somebody else that is called exactly what was asked for, where the known one is called a little
  // differently: it would have been chosen.
  const rival = (want, known) => {
    const beside = (e) => e && !T.holds(e, known) && !T.holds(known, e) && shown(e) && !T.labelsOf(known).some((l) => T.holds(l, e));
    for (const r of T.roots(document)) {
      const doc = r.ownerDocument || r, walk = doc.createTreeWalker(r, 4);
      for (let n = walk.nextNode(); n; n = walk.nextNode())
        if (fold(n.data) === want && beside(n.parentElement)) return true;
      for (const e of r.querySelectorAll('[aria-label],[placeholder],[title],[alt],input[value]'))
        if (['aria-label', 'placeholder', 'title', 'alt', 'value'].some((a) => fold(e.getAttribute(a)) === want) && beside(e)) return true;
    }
    return false;
  };
  const look = (known, want) => {
    const shape = T.shape(), k = known.find((o) => o.shape === shape);
    if (!k) return { why: 'none' };
    const word = k.name.split(' ')[0], found = [];
    for (const r of T.roots(document))
      for (const e of r.querySelectorAll(CSS.escape(k.tag))) if (same(e, k, word)) found.push(e);
    if (!found.length) return { why: 'none' };
    if (found.length > (k.region < 0 ? 1 : 500)) return { why: 'many', final: true };
    return want && found.some((e) => rival(want, e)) ? { why: 'rival', final: true } : { found, k };
  };
  // `known`: what the element was, for each shape of the page; `want`: words that must name nobody
  // else. Where the region around it counts, all that could be meant, each with that region's text.
  T.recall = async (known, want, ms) => {
    const r = await T.until(() => look(known, want && fold(want)), ms);
    if (r.why) return { why: r.why };
    const rows = r.found.map((e) => {
      const out = { ref: T.remember(e), what: T.describe(e), role: T.role(e), tag: e.localName, type: e.type || '' };
      if (e.readOnly) out.readonly = true;
      if (e.checked || e.getAttribute('aria-checked') === 'true') out.checked = true;
      if (r.k.region >= 0) out.context = T.contextOf(e, r.k.name)[r.k.region] || '';
      return out;
    });
    return { rows, shape: r.k.shape, url: location.href };
  };
})();
