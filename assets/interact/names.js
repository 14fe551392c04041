// Roles and accessible names: what assistive technology and people call an element.
(() => {
  const T = globalThis.__troupe;
  if (T.has.names) return;
  T.has.names = 1;
  const { clean, fold } = T;

  const INPUT_ROLES = { button: 'button', submit: 'button', reset: 'button', image: 'button', checkbox: 'checkbox',
    radio: 'radio', range: 'slider', number: 'spinbutton', search: 'searchbox', file: 'file', hidden: 'generic' };
  const TAG_ROLES = { button: 'button', summary: 'button', select: 'combobox', textarea: 'textbox', option: 'option',
    nav: 'navigation', main: 'main', header: 'banner', footer: 'contentinfo', aside: 'complementary', form: 'form',
    table: 'table', tr: 'row', td: 'cell', th: 'columnheader', ul: 'list', ol: 'list', li: 'listitem',
    dialog: 'dialog', article: 'article', section: 'region', img: 'img', svg: 'img', progress: 'progressbar',
    meter: 'meter', output: 'status', fieldset: 'group', details: 'group', h1: 'heading', h2: 'heading',
    h3: 'heading', h4: 'heading', h5: 'heading', h6: 'heading', p: 'paragraph', iframe: 'frame', video: 'video' };
  const WIDGETS = /^(button|link|checkbox|radio|switch|tab|menuitem|menuitemcheckbox|menuitemradio|option|treeitem|textbox|searchbox|combobox|spinbutton|slider|listbox|file|date)$/;
  const FIELDS = /^(textbox|searchbox|combobox|spinbutton|slider|listbox|checkbox|radio|switch|file|date)$/;

  const implicit = (e) => {
    const tag = e.localName;
    if (tag === 'a' || tag === 'area') return e.hasAttribute('href') ? 'link' : 'generic';
    if (tag === 'input') {
      if (e.hasAttribute('list')) return 'combobox';
      if (/^(date|time|datetime-local|month|week|color)$/.test(e.type)) return 'date';
      return INPUT_ROLES[e.type] || 'textbox';
    }
    if (tag === 'select') return e.multiple || e.size > 1 ? 'listbox' : 'combobox';
    if (e.isContentEditable && e.parentElement && !e.parentElement.isContentEditable) return 'textbox';
    return TAG_ROLES[tag] || 'generic';
  };
  // What slider libraries without roles call the part that is moved.
  const HANDLE = /(^|[-_ ])slider[-_](handle|thumb)|(^| )(handle|thumb)[-_]slider/;
  // An explicit role counts when it is a real one and does not contradict a form field's tag.
  const roleOf = (e) => {
    const own = implicit(e);
    const attribute = e.getAttribute && e.getAttribute('role');
    const given = attribute ? fold(attribute).split(' ')[0] : '';
    if (!given && own === 'generic' && e.hasAttribute('tabindex') && HANDLE.test(e.className)) return 'slider';
    if (!given || given === 'none' || given === 'presentation') return own;
    if (/^(input|textarea|select)$/.test(e.localName) && !WIDGETS.test(given)) return own;
    return given;
  };
  T.role = (e) => {
    const { kept } = T;
    let role = kept ? kept.get(e) : undefined;
    if (role === undefined) {
      role = roleOf(e);
      if (kept) kept.set(e, role);
    }
    return role;
  };
  const ALIASES = { textbox: ['textbox', 'searchbox', 'combobox', 'spinbutton', 'date'], listbox: ['listbox', 'combobox'],
    image: ['img'], img: ['img', 'image'], dropdown: ['combobox', 'listbox'], menuitem: ['menuitem', 'menuitemcheckbox', 'menuitemradio'] };
  T.hasRole = (e, role) => {
    const have = T.role(e);
    if (have === role) return true;
    if (role === 'textbox' && have === 'combobox') return e.localName !== 'select';
    if (role === 'combobox' && e.localName === 'select') return true;
    return (ALIASES[role] || []).includes(have);
  };
  T.isField = (e) => FIELDS.test(T.role(e)) || /^(input|textarea|select)$/.test(e.localName);
  T.interactive = (e) => WIDGETS.test(T.role(e)) || e.localName === 'label' || e.hasAttribute('onclick') ||
    (e.hasAttribute('tabindex') && e.tabIndex >= 0 && e.localName !== 'body');

  // Text of a subtree as it is read out: alternatives of images, hidden parts left out.
  const content = (e, depth) => {
    if (depth > 40) return '';
    let out = '';
    const slotted = e.localName === 'slot' ? e.assignedNodes() : [];
    let at = 0, next = slotted.length ? slotted[0] : (T.shadowOf(e) || e).firstChild;
    while (next) {
      const n = next;
      next = slotted.length ? slotted[++at] : n.nextSibling;
      if (n.nodeType === 3) { out += n.data; continue; }
      if (n.nodeType !== 1 || T.skip.test(n.localName) && n.localName !== 'title') continue;
      if (n.getAttribute('aria-hidden') === 'true' || n.hidden) continue;
      if (n.localName === 'svg') { out += ' ' + svgName(n) + ' '; continue; }
      if (n.localName === 'img') { out += ' ' + (n.getAttribute('alt') || '') + ' '; continue; }
      if (/^(select|textarea)$/.test(n.localName)) continue;
      if (n.localName === 'input') { out += /^(button|submit|reset)$/.test(n.type) ? ' ' + n.value + ' ' : ''; continue; }
      const label = n.getAttribute('aria-label');
      const text = label || content(n, depth + 1);
      const style = n.ownerDocument.defaultView ? n.ownerDocument.defaultView.getComputedStyle(n) : null;
      if (style && (style.display === 'none' || style.visibility === 'hidden')) continue;
      out += style && style.display !== 'inline' ? ' ' + text + ' ' : text;
    }
    return out;
  };
  const svgName = (e) => {
    const title = e.querySelector('title');
    return e.getAttribute('aria-label') || (title && title.textContent) || '';
  };
  const byIds = (e, attribute) => {
    if (!e.hasAttribute(attribute)) return '';
    const root = e.getRootNode();
    return clean((e.getAttribute(attribute) || '').split(/\s+/).map((id) => {
      const other = id && root.getElementById ? root.getElementById(id) : null;
      return other ? other.getAttribute('aria-label') || content(other, 0) || other.value || '' : '';
    }).join(' '));
  };
  const READ = /^(button|link|checkbox|radio|switch|tab|menuitem|menuitemcheckbox|menuitemradio|option|treeitem|heading|cell|columnheader|rowheader|gridcell|row|tooltip|listitem|paragraph|generic|text|label|status|alert)$/;

  // The label of a field: aria, <label>, or the text right before it when there is no label.
  T.label = (e) => {
    const aria = byIds(e, 'aria-labelledby') || clean(e.getAttribute('aria-label'));
    if (aria) return aria;
    const labels = T.labelsOf(e).map((l) => clean(content(l, 0))).filter(Boolean).join(' ');
    if (labels) return labels;
    const wrap = e.closest('label');
    if (wrap) return clean(content(wrap, 0));
    return T.isField(e) ? nearText(e) : '';
  };
  // Text beside a field without a label: the previous text of its row, or after it for boxes to tick.
  const nearText = (e) => {
    const after = /^(checkbox|radio)$/.test(e.type);
    for (let n = e, up = 0; n && up < 3; n = n.parentElement, up++) {
      for (let s = after ? n.nextSibling : n.previousSibling; s; s = after ? s.nextSibling : s.previousSibling) {
        if (s.nodeType === 3 && clean(s.data)) return clean(s.data).replace(/:$/, '');
        if (s.nodeType !== 1 || T.skip.test(s.localName) || s.localName === 'br' || !T.visible(s)) continue;
        if (s.localName === 'input' || s.querySelector('input,select,textarea,button,a') || /^(select|textarea|button|a)$/.test(s.localName)) return '';
        const text = clean(s.textContent);
        if (text) return T.clip(text, 80).replace(/:$/, '');
      }
      if (n.parentElement && n.parentElement.querySelectorAll('input,select,textarea').length > 1) break;
    }
    if (e.localName !== 'select') {
      const cell = e.closest('td');
      const before = cell && cell.previousElementSibling;
      if (before && !before.querySelector('input,select,textarea')) return clean(before.textContent).replace(/:$/, '');
    }
    return '';
  };
  T.name = (e) => {
    const aria = byIds(e, 'aria-labelledby') || clean(e.getAttribute('aria-label'));
    if (aria) return aria;
    const tag = e.localName;
    if (tag === 'input' && /^(button|submit|reset)$/.test(e.type))
      return clean(e.value) || (e.type === 'submit' ? 'Submit' : e.type === 'reset' ? 'Reset' : clean(e.title));
    if (tag === 'img' || tag === 'area' || (tag === 'input' && e.type === 'image'))
      return clean(e.getAttribute('alt') || e.title || e.value);
    if (tag === 'svg') return clean(svgName(e));
    if (T.isField(e) && tag !== 'button' && !READ_OWN(e))
      return T.label(e) || clean(e.getAttribute('placeholder') || e.title || '');
    const role = T.role(e);
    if (READ.test(role) || tag === 'label') {
      const text = clean(content(e, 0));
      if (text) return text;
    }
    if (tag === 'fieldset') return clean((e.querySelector('legend') || {}).textContent);
    if (tag === 'table') return clean((e.querySelector('caption') || {}).textContent);
    return clean(e.title || e.getAttribute('alt') || e.getAttribute('placeholder') || '');
  };
  // Custom check boxes, switches and radios are named by what they contain.
  const READ_OWN = (e) => /^(checkbox|radio|switch|option)$/.test(T.role(e)) && e.localName !== 'input';
  T.content = (e) => clean(content(e, 0));

  // The part inside `e` that a press there would mean instead of `e` itself: a button of a card, a menu that pops
  // over its row. Null: there is none, or it is all that `e` is there for.
  const POPS = /^(ul|ol|menu|dialog)$/;
  const pops = (n) => POPS.test(n.localName) && /^(absolute|fixed)$/.test(getComputedStyle(n).position);
  T.partAt = (e, at) => {
    if (e.localName === 'label' || (T.interactive(e) && !/^(treeitem|menuitem)$/.test(T.role(e)))) return null;
    let part = null;
    for (let n = at; n && n !== e && !part; n = T.parentOf(n)) if (n.nodeType === 1 && (T.interactive(n) || pops(n))) part = n;
    if (!part || pops(part)) return part;
    const others = T.everything(e).filter((c) => T.interactive(c) && T.visible(c) && !T.holds(c, part) && !T.holds(part, c));
    if (others.every((c) => c.href && c.href === part.href)) return null;
    return fold(T.name(part)) === fold(T.name(e) || T.textOf(e)) ? null : part;
  };

  // What an element is known by beyond its name. An id with many digits is another one each time.
  T.stableId = (id) => id && !/\d{3,}|[:{}]|^[a-f0-9-]{16,}$/.test(id);
  // Where an element stands: a path from the nearest element with an id of its own.
  T.pathOf = (e) => {
    const parts = [];
    for (let n = e; n && n.nodeType === 1 && n.localName !== 'html'; n = n.parentElement) {
      const id = T.stableId(n.id) && '#' + CSS.escape(n.id);
      if (id && n.getRootNode().querySelectorAll(id).length === 1) { parts.unshift(id); break; }
      const kin = n.parentElement ? [...n.parentElement.children].filter((s) => s.localName === n.localName) : [n];
      parts.unshift(n.localName + (kin.length > 1 ? ':nth-of-type(' + (kin.indexOf(n) + 1) + ')' : ''));
    }
    return parts.join(' > ') || e.localName;
  };
  T.ownId = (e) => (e.id && e.id.length <= 80 && T.stableId(e.id) ? e.id : '');
  T.testId = (e) => {
    for (const a of T.TEST_IDS) {
      const v = e.getAttribute(a);
      if (v && v.length <= 120) return v;
    }
    return '';
  };
  // What kind of page this is: which forms, fields and regions it has, whatever is in them.
  const SHAPE = 'form,input,select,textarea,main,nav,dialog[open],table,[role=dialog],[role=tablist],[role=grid]';
  T.shape = () => {
    const kinds = new Set(), all = document.querySelectorAll(SHAPE);
    for (let i = 0; i < all.length && i < 300; i++) {
      const e = all[i], name = e.getAttribute('name') || '';
      kinds.add(e.localName + ' ' + (e.getAttribute('type') || '') + ' ' + name.replace(/\d+/g, '#') + ' ' + (e.getAttribute('role') || ''));
    }
    let hash = 0x811c9dc5;
    for (const c of [...kinds].sort().join('|')) hash = Math.imul(hash ^ c.codePointAt(0), 0x01000193) >>> 0;
    return hash.toString(16);
  };
})();
