// The page: who acts, which channel and thread are open, and what the server says is in them.
import {html, render, colours, Names, Act, Avatar, Icon, useCallback, useEffect, useMemo, useRef, useState} from './ui.js';
import * as api from './api.js';
import {MessageList} from './message.js';
import {Composer, SampleButton, sampleFile} from './composer.js';
import {Confirm, Home, View} from './modal.js';
import {Guide} from './guide.js';
import {Organisation} from './panel.js';
import {step} from './menu.js';

const toastSeconds = 7;

function PersonSwitch({people, current, onPick}) {
  const now = people.find((person) => person.id === current);
  const real = people.filter((person) => !person.bot);
  const box = useRef(null);
  const key = (event) => {
    const way = {ArrowRight: 'ArrowDown', ArrowLeft: 'ArrowUp'}[event.key] ?? event.key;
    const next = step(way, real.findIndex((person) => person.id === current), real.length);
    if (next === undefined) return;
    event.preventDefault();
    onPick(real[next].id);
    box.current.querySelectorAll('button')[next].focus();
  };
  return html`<div class="person-switch" data-testid="person-switch" role="radiogroup" aria-label="Acting as" ref=${box}
    onKeyDown=${key}>
    <span class="switch-label">Acting as <b>${now?.name}</b>${now?.badge && html`<small>${now.badge}</small>`}</span>
    ${real.map((person) => html`<button type="button" role="radio"
      aria-checked=${person.id === current} tabindex=${person.id === current ? 0 : -1}
      aria-label=${`Act as ${person.name}${person.badge ? `, ${person.badge}` : ''}`}
        title=${`${person.name}${person.badge ? ` · ${person.badge}` : ''}`}
      class=${`face ${person.id === current ? 'on' : ''}`} data-testid=${`person-${person.id}`}
        onClick=${() => onPick(person.id)}><${Avatar} person=${person} size=${30} />
      <span>${person.name.split(' ')[0]}</span></button>`)}</div>`;
}

function Sidebar({data, view, seen, onOpen}) {
  const item = (channel, mark, label) => {
    const read = seen[`${view.person}/${channel.id}`] ?? '';
    const unread = channel.latest && channel.id !== view.channel && channel.latest > read;
    return html`<li><button type="button"
      class=${`channel-link ${channel.id === view.channel ? 'on' : ''} ${unread ? 'unread' : ''}`}
      data-testid=${`channel-${channel.id}`}
      aria-current=${channel.id === view.channel ? 'page' : undefined} onClick=${() => onOpen(channel.id)}>${mark}<span>
        ${label}</span>${unread && html`<i aria-label="unread"></i>`}</button></li>`;
  };
  return html`<nav class="sidebar" aria-label="Channels">
    <h2><${Icon} name="chevron" size=${13} /> Channels</h2>
    <ul>${data.channels.filter((channel) => !channel.im).map((channel) => item(channel, html`<${Icon}
      name=${channel.private ? 'lock' : 'hash'} size=${16} />`, channel.name))}</ul>
    <h2><${Icon} name="chevron" size=${13} /> Apps</h2>
    <ul>${data.channels.filter((channel) => channel.im).map((channel) => item(channel, html`<${Avatar} person=${data.app}
      size=${20} />`, data.app.name))}</ul>
    <p class="sidebar-note">Everything here is on this machine: a Slack workspace and an Atlassian organisation
      made for trying out. Nothing leaves it.</p></nav>`;
}

// A large company is read again a little less often, to leave the machine to the app.
const largeCompany = 500, largeGap = 700;

// useData keeps what the server says about the view. Where the server shows another place than was asked for (nothing was
// asked yet, or the person cannot see that channel) moved is told.
function useData(view, moved, onError) {
  const [data, setData] = useState(null);
  const [organisation, setOrganisation] = useState(null);
  const [connected, setConnected] = useState(true);
  const wanted = useRef(view);
  wanted.current = view;
  const load = useMemo(() => api.oneAtATime(async () => {
    const asked = wanted.current;
    try {
      const answer = await api.state(asked);
      if (asked !== wanted.current) return; // the change of view has asked again
      // Few people: each gets a colour of their own.
      answer.tab = asked.tab;
      answer.people.forEach((person, i) => { person.colour = colours[i % colours.length]; });
      setData(answer);
      if (answer.person !== asked.person || answer.channel !== asked.channel) moved(answer);
    } catch (error) { onError(error); }
  }), []);
  const size = useRef(0);
  const loadOrganisation = useMemo(() => api.oneAtATime(() => api.organisation().then((answer) => {
    size.current = answer.accounts.length;
    setOrganisation(answer);
  }, onError), () => (size.current > largeCompany ? largeGap : 0)), []);
  useEffect(() => { load(); }, [view]);
  useEffect(() => api.listen((what) => (what === 'workspace' ? load() : loadOrganisation()), setConnected), []);
  return {data, organisation, connected, load};
}

// Toasts are a popover, so that they stand over an open dialog.
function Toasts({list}) {
  const box = useRef(null);
  useEffect(() => {
    if (box.current.matches(':popover-open')) box.current.hidePopover();
    if (list.length > 0) box.current.showPopover(); // on top of what was opened meanwhile
  }, [list]);
  return html`<div class="toasts" popover="manual" role="alert" aria-live="assertive" ref=${box}>${list.map((entry) => html`<div
    class="toast" key=${entry.id} data-testid="toast"><${Icon} name="warn" size=${16} />${entry.words}</div>`)}</div>`;
}

function Tabs({tab, onPick}) {
  const all = [['home', 'Home'], ['', 'Messages']];
  const key = (event) => {
    if (event.key !== 'ArrowRight' && event.key !== 'ArrowLeft') return;
    event.preventDefault();
    onPick(tab === 'home' ? '' : 'home');
    event.currentTarget.querySelector('[aria-selected=false]')?.focus();
  };
  return html`<div class="tabs" role="tablist" aria-label="Of the app" onKeyDown=${key}>${all.map(([name, label]) => html`<button
    type="button" role="tab" aria-selected=${tab === name} tabindex=${tab === name ? 0 : -1}
    data-testid=${`tab-${name || 'messages'}`} onClick=${() => onPick(name)}>${label}</button>`)}</div>`;
}

const explained = {
  dispatch_failed: 'the app did not answer in time (dispatch_failed)',
  operation_timeout: 'the app did not answer in time (operation_timeout)',
};

// The address says who acts and what is open, so that two windows can be two people: ?as=bob.
function fromAddress() {
  const query = new URLSearchParams(window.location.search);
  return {person: query.get('as') ?? '', channel: query.get('in') ?? '', thread: query.get('thread') ?? '', tab: query.get('tab') ?? ''};
}

function toAddress(view, person) {
  const query = new URLSearchParams({as: person?.handle ?? view.person, in: view.channel});
  if (view.thread) query.set('thread', view.thread);
  if (view.tab) query.set('tab', view.tab);
  window.history.replaceState(null, '', `?${query}`);
}

function App() {
  const [view, setView] = useState(fromAddress);
  const [samples, setSamples] = useState([]);
  const [files, setFiles] = useState([]);
  const [samplesOpen, setSamplesOpen] = useState(false);
  const [threadFiles, setThreadFiles] = useState([]);
  const [toasts, setToasts] = useState([]);
  const [asking, setAsking] = useState(null);
  const [dropping, setDropping] = useState(false);
  const [panel, setPanel] = useState(window.innerWidth > 720); // as in style.css
  const [seen, setSeen] = useState({});
  const [dismissed, setDismissed] = useState(new Set());

  const toast = useCallback((words) => {
    const id = Math.random();
    setToasts((old) => [...old.slice(-2), {id, words}]);
    setTimeout(() => setToasts((old) => old.filter((entry) => entry.id !== id)), toastSeconds * 1000);
  }, []);
  const failed = useCallback((error) => toast(error.message), []);
  const moved = useCallback(({person, channel, channels}) => setView((old) => ({
    person, channel, thread: old.channel === channel ? old.thread : '',
    tab: channels.find((each) => each.id === channel)?.im ? old.tab : '',
  })), []);
  const {data, organisation, connected, load} = useData(view, moved, failed);
  useEffect(() => { api.samples().then(setSamples, failed); }, []);
  useEffect(() => {
    // A file dropped beside the columns would replace the page.
    const stay = (event) => event.preventDefault();
    window.addEventListener('dragover', stay);
    window.addEventListener('drop', stay);
    return () => { window.removeEventListener('dragover', stay); window.removeEventListener('drop', stay); };
  }, []);
  const latest = data?.channels.find((channel) => channel.id === view.channel)?.latest;
  useEffect(() => { if (latest) setSeen((old) => ({...old, [`${view.person}/${view.channel}`]: latest})); }, [latest, view]);

  const names = useMemo(() => ({
    me: view.person,
    people: data?.people ?? [],
    person: (id) => data?.people.find((person) => person.id === id) ?? {id, name: id || 'someone'},
    group: (id) => data?.groups.find((group) => group.id === id)?.handle ?? id,
    channel: (id) => data?.channels.find((channel) => channel.id === id)?.name || id,
    open: (channel, ts = '') => setView((old) => ({...old, channel, thread: ts, tab: ''})),
  }), [data, view.person]);
  useEffect(() => {
    if (data?.person !== view.person) return;
    const now = data.people.find((person) => person.id === view.person);
    toAddress(view, now);
    document.title = `${now.name} – ${data.workspace}`; // two windows are told apart
  }, [view, data?.person]);
  // Whoever looks at Home has opened it, as another person, too.
  const home = view.tab === 'home';
  useEffect(() => {
    if (home && view.person && data?.person === view.person) api.tab({person: view.person, tab: 'home'}).then(() => load(), failed);
  }, [home, view.person, data?.person]);

  if (!data || view.person === '') return html`<div class="loading" role="status">Opening the workspace…</div>`;

  const confirm = (dialog) => new Promise((answer) => {
    setAsking({dialog, answer: (yes) => { setAsking(null); answer(yes); }});
  });
  const press = async (where, element, block, value, values) => {
    const which = {action: element.action_id, block: block.block_id ?? '', value: value ?? '', ...(values && {values})};
    try {
      const {error} = await api.click({person: view.person, ...where, ...which});
      if (error) toast(`That did not work: ${explained[error] ?? error}.`);
    } catch (error) { failed(error); }
  };
  const useShortcut = async (each, where = {}) => {
    try {
      const {error} = await api.shortcut({person: view.person, callback: each.callback_id, ...where});
      if (error) toast(`${each.name} did not work: ${explained[error] ?? error}.`);
    } catch (error) { failed(error); }
  };
  const act = {
    thread: (ts) => setView((old) => ({...old, thread: ts})),
    dismiss: (message) => setDismissed((old) => new Set(old).add(message.ts)),
    confirm,
    click: (message, element, block, value) => press({
      channel: message.channel, ts: message.ts, blocks: message.blocks, // as shown: an edit may be on its way
    }, element, block, value),
    shortcuts: data.shortcuts.filter((each) => each.message),
    shortcut: (each, message) => useShortcut(each, {channel: message.channel, ts: message.ts}),
  };
  // What a form of the app can do besides being sent.
  const can = ({id, blocks}) => ({
    onClick: (...what) => press({view: id, blocks}, ...what), // as shown, as for messages
    onConfirm: confirm, onUpload: (file) => api.upload(file, view.person),
    onSuggest: async (element, query) => {
      try {
        const {error, options} = await api.suggest({person: view.person, view: id, action: element.action_id, query});
        if (error) toast(`The search did not work: ${explained[error] ?? error}.`);
        return options;
      } catch (error) { failed(error); return []; }
    },
  });
  const send = (thread) => async (text, sent) => {
    try {
      if (text.startsWith('/') && thread === '' && sent.length === 0) {
        const [word, ...rest] = text.split(' ');
        if (word !== data.command) { toast(`${word} is not a command of this workspace.`); return false; }
        const {error} = await api.command({person: view.person, channel: view.channel, text: rest.join(' ').trim()});
        if (error) toast(`${word} failed: ${explained[error] ?? error}.`);
        return !error;
      }
      const uploads = [];
      for (const file of sent) uploads.push((await api.upload(file)).id);
      const {error} = await api.say({person: view.person, channel: view.channel, thread, text, files: uploads});
      if (error) toast(`Not sent: ${explained[error] ?? error}.`);
      return !error;
    } catch (error) { failed(error); return false; }
  };
  const submit = async (id, values) => {
    try {
      const {error, errors} = await api.submit({person: view.person, view: id, values});
      if (error) toast(`Not submitted: ${explained[error] ?? error}.`);
      return errors ?? {};
    } catch (error) { failed(error); return {}; }
  };

  const channel = data.channels.find((entry) => entry.id === view.channel);
  const title = channel?.im ? data.app.name : channel?.name;
  const drop = (event) => { event.preventDefault(); setDropping(false); setFiles([...files, ...event.dataTransfer.files]); };
  const dropInThread = (event) => {
    event.preventDefault();
    setThreadFiles([...threadFiles, ...event.dataTransfer.files]);
  };
  const pickSample = (sample) => {
    setFiles([...files, sampleFile(sample)]);
    document.querySelector('[data-testid=composer]')?.focus();
  };
  const openView = data.views.at(-1);
  const effects = organisation?.effects.length ?? 0;
  const asked = data.channels.some((each) => !each.im && each.latest_app); // the app has answered somebody somewhere
  const steps = {asked, changed: effects > 0};
  const messages = data.messages.filter((message) => !(message.ephemeral && dismissed.has(message.ts)));
  const current = data.channel === view.channel && data.person === view.person;
  const openChannel = (id) => {
    const direct = data.channels.find((each) => each.id === id)?.im;
    setView((old) => ({...old, channel: id, thread: '', tab: direct && data.has_home ? 'home' : ''}));
  };
  const openTab = (tab) => {
    setView((old) => ({...old, tab, thread: ''}));
    if (tab === '') api.tab({person: view.person, tab: 'messages'}).catch(failed);
  };
  const guided = {
    samples: () => { setView((old) => ({...old, channel: data.channels[0].id, thread: '', tab: ''})); setSamplesOpen(true); },
    person: (handle) => setView((old) => ({
      ...old, person: data.people.find((each) => each.handle === handle)?.id ?? old.person, channel: data.channels[0].id, tab: '',
    })),
    panel: () => setPanel(true),
  };

  return html`<${Names.Provider} value=${names}><${Act.Provider} value=${act}><div
    class=${`app ${view.thread ? 'with-thread' : ''} ${panel ? 'with-panel' : ''}`}>
    <header class="top"><div class="workspace-name"><span class="workspace-mark" aria-hidden="true">N</span>
      ${data.workspace}<small>local</small></div>
      ${!connected && html`<span class="offline" role="status"><${Icon} name="warn" size=${14} /> reconnecting…</span>`}
      ${data.sockets === 0 && html`<span class="offline" role="status" data-testid="app-down"><${Icon} name="warn" size=${14} />
        ${data.app.name} is not running</span>`}
        <span class="grow"></span>
      <${PersonSwitch} people=${data.people} current=${view.person}
        onPick=${(person) => setView((old) => ({...old, person}))} />
      <button type="button" class=${`icon-button light ${panel ? 'on' : ''}`} aria-label="Show the Atlassian organisation"
        aria-pressed=${panel} data-testid="panel-toggle" onClick=${() => setPanel(!panel)}><${Icon} name="panel"
        size=${18} /></button></header>
    <${Sidebar} data=${data} view=${{...view, channel: view.channel || data.channel}} seen=${seen}
      onOpen=${openChannel} />
    <main class="channel" onDragOver=${(event) => { event.preventDefault(); setDropping(true); }}
      onDragLeave=${(event) => { if (!event.currentTarget.contains(event.relatedTarget)) setDropping(false); }}
      onDrop=${drop}>
      <header class="channel-head"><h1>${channel?.im ? html`<${Avatar} person=${data.app} size=${24} />` : html`<${Icon}
        name=${channel?.private ? 'lock' : 'hash'} size=${18} />`}${title}</h1>
        ${channel && !channel.im && html`<span class="members" aria-label=${`${channel.members.length} members`}>
          ${channel.members.slice(0, 4).map((id) => html`<${Avatar} person=${names.person(id)} size=${22} />`)}<b>
          ${channel.members.length}</b></span>`}
        ${channel?.im && data.has_home && html`<${Tabs} tab=${view.tab} onPick=${openTab} />`}</header>
      ${data.guide.length > 0 && html`<${Guide} steps=${data.guide} end=${data.guide_end} done=${steps} act=${guided} />`}
      ${home && channel?.im ? html`<${Home} key=${view.person} known=${data.person === view.person && data.tab === 'home'}
        view=${data.home?.for === view.person ? data.home : null} app=${data.app.name} ...${can(data.home ?? {})} />`
      : html`${!current ? html`<div class="messages" aria-busy="true"></div>`
        : messages.length > 0 ? html`<${MessageList} messages=${messages} label=${`Messages in ${title}`} />`
        : html`<div class="messages empty"><div class="welcome">${channel?.im ? html`<${Avatar} person=${data.app}
          size=${56} />` : html`<span class="big-hash">#</span>`}
          <h2>${title}</h2>
          <p>Nothing here yet. Type <code>/</code> for the app's commands, drop a CSV file here, or begin with one of
            these.</p>
          <div class="welcome-samples">${!samplesOpen && samples.map((sample) => html`<${SampleButton} sample=${sample}
            onPick=${pickSample} />`)}</div></div></div>`}
      <${Composer} id=${`${view.person}/${view.channel}`} placeholder=${`Message ${channel?.im ? title : `#${title}`}`}
        command=${data.command}
        suggestions=${data.suggestions} samples=${samples} open=${samplesOpen} setOpen=${setSamplesOpen} files=${files}
          setFiles=${setFiles} onSend=${send('')} shortcuts=${data.shortcuts.filter((each) => !each.message)}
          onShortcut=${(each) => useShortcut(each)} />`}
      ${dropping && html`<div class="drop"><${Icon} name="sheet" size=${40} />
        <b>Drop to attach to ${channel?.im ? title : `#${title}`}</b></div>`}</main>
    ${view.thread && html`<aside class="thread" aria-label="Thread" data-testid="thread" onDrop=${dropInThread}>
      <header class="channel-head">
      <h1>Thread</h1><small>${channel?.im ? title : `#${title}`}</small>
        <button type="button" class="icon-button" aria-label="Close thread" data-testid="thread-close"
          onClick=${() => setView((old) => ({...old, thread: ''}))}><${Icon} name="close" /></button></header>
      <${MessageList} messages=${data.thread ?? []} inThread=${true} label="Thread" />
      <${Composer} id=${`${view.person}/${view.thread}`} inThread=${true} placeholder="Reply…" suggestions=${[]}
        files=${threadFiles} setFiles=${setThreadFiles} onSend=${send(view.thread)} /></aside>`}
    ${panel && organisation && html`<${Organisation} organisation=${organisation} onError=${failed} canKill=${data.can_kill}
      running=${data.sockets > 0} app=${data.app.name} />`}
    ${openView && html`<${View} key=${openView.id} view=${openView}
      onSubmit=${(values) => submit(openView.id, values)} ...${can(openView)}
      onClose=${() => api.close({person: view.person, view: openView.id}).then(load, failed)} />`}
    ${asking && html`<${Confirm} confirm=${asking.dialog} onAnswer=${asking.answer} />`}
    <${Toasts} list=${toasts} />
  </div><//><//>`;
}

render(html`<${App} />`, document.getElementById('root'));
