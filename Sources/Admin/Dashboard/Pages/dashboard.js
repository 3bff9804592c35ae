// The dashboard of a node. It knows no part of it: it shows the figures, graphs and tables of each view, and offers the
// actions.
import { hints, labels, words } from "/words.js"

const asked = new URLSearchParams(location.hash.slice(1))
let language = asked.get("language") ?? localStorage.getItem("language")
    ?? (navigator.language.startsWith("zh") ? "zh" : "en")
const say = (text) => words[language]?.[text] ?? text
const label = (action) => labels[language]?.[action] ?? say(action.split(".").pop())

const element = (name, attributes = {}, ...children) => fill(document.createElement(name), attributes, children)
const shape = (name, attributes, ...children) =>
    fill(document.createElementNS("http:" + "//www.w3.org/2000/svg", name), attributes, children)
function fill(made, attributes, children) {
    for (const [key, value] of Object.entries(attributes)) {
        if (key.startsWith("on")) made.addEventListener(key.slice(2), value)
        else if (value !== false) made.setAttribute(key, value)
    }
    made.append(...children)
    return made
}
const [main, tabs, state, languageButton, logoutButton] =
    ["main", "tabs", "state", "language", "logout"].map((id) => document.getElementById(id))

async function ask(path, body) {
    const answer = await fetch(path, {
        method: body ? "POST" : "GET", headers: { "X-Omniway": "1" }, body: body && JSON.stringify(body),
    })
    const json = await answer.json()
    if (!answer.ok) throw Object.assign(new Error(json.error ?? answer.statusText), { status: answer.status })
    return json
}

// MARK: What is shown

let console_ = null
let view = asked.get("view") ?? (asked.has("login") ? "overview" : location.hash.slice(1) || "overview")
let filter = ""
let level = "debug"
let shownView = null
let earlier = { at: 0, values: new Map() }

function showTabs() {
    document.documentElement.lang = language
    languageButton.textContent = language == "zh" ? "English" : "中文"
    logoutButton.textContent = say("log out")
    logoutButton.hidden = !console_
    tabs.replaceChildren(
        ...(console_ ? [...console_.views, "events"] : []).map((name) => element(
            "button", { "data-view": name, "aria-current": name == view ? "page" : false, onclick: () => open(name) },
            say(name))))
}

function open(name) {
    view = name
    shownView = null
    location.hash = name
    main.replaceChildren()
    showTabs()
    refresh()
}

const figures = (list) => element(
    "div", { class: "figures" },
    ...list.map(([name, value]) => element("div", {}, element("span", {}, say(name)), element("b", { class: value.length > 20 && "long" }, value))))

function table({ name, columns, rows, count, actions }) {
    const offered = actions.filter((action) => console_.role == "operate" && console_.actions.some((a) => a.name == action))
    const rates = name == "meters"
    const now = performance.now()
    const head = [...columns.slice(0, 3), ...(rates ? ["per second"] : []), ...columns.slice(3)]
    const shown = rows.filter((row) => !filter || row.cells.some((cell) => cell.includes(filter)))
    const values = new Map()
    const lines = shown.map((row) => {
        let cells = row.cells
        if (rates) {
            const value = Number(cells[2])
            values.set(row.key, value)
            const before = earlier.values.get(row.key)
            const rate = cells[0].endsWith("_total") && before !== undefined
                ? ((value - before) / (now - earlier.at) * 1000).toFixed(1) : ""
            cells = [...cells.slice(0, 3), rate, ...cells.slice(3)]
        }
        const buttons = offered.map((action) => element(
            "button", { "data-action": action, "data-key": row.key, onclick: () => act(action, row.key) }, label(action)))
        return element(
            "tr", {}, ...cells.map((cell) => element("td", {}, cell)),
            ...(buttons.length ? [element("td", {}, ...buttons)] : []))
    })
    if (rates) earlier = { at: now, values }
    return [
        element("h2", {}, `${say(name)} (${count})`),
        element(
            "div", { class: "table" },
            element(
                "table", { "data-table": name },
                element("thead", {}, element("tr", {}, ...head.map((column) => element("th", {}, say(column))))),
                element("tbody", {}, ...lines))),
        ...(count > rows.length ? [element("p", {}, `${count - rows.length} ${say("more rows")}`)] : []),
    ]
}

// The first node in the middle, the others on rings by how many edges away they are, near those that lead to them.
function graph({ nodes, edges, count }) {
    const near = new Map(nodes.map(({ id }) => [id, []]))
    for (const [from, to] of edges) {
        near.get(from).push(to)
        near.get(to).push(from)
    }
    const place = new Map([[nodes[0].id, { ring: 0, angle: 0 }]])
    const rings = [[nodes[0].id]]
    while (rings.at(-1).length) {
        const next = rings.at(-1).flatMap((id) => near.get(id)).filter((id) => !place.has(id) && place.set(id, {}))
        rings.push(next)
    }
    rings.pop()
    const lost = nodes.map(({ id }) => id).filter((id) => !place.has(id))
    if (lost.length) rings.push(lost)
    const step = 110
    rings.forEach((ring, index) => ring.forEach((id, turn) => {
        const angle = turn / ring.length * 2 * Math.PI + index
        place.set(id, { x: Math.cos(angle) * index * step * 1.6, y: Math.sin(angle) * index * step })
    }))
    const [width, height] = [Math.max(1, rings.length - 1) * step * 3.2 + 240, Math.max(1, rings.length - 1) * step * 2 + 80]
    const lines = edges.map(([from, to]) => {
        const [a, b] = [place.get(from), place.get(to)]
        return shape("line", { x1: a.x, y1: a.y, x2: b.x, y2: b.y })
    })
    const marks = nodes.map(({ id, label }, index) => {
        const { x, y } = place.get(id)
        return shape(
            "g", { "data-node": id, class: index ? "" : "own" }, shape("circle", { cx: x, cy: y, r: 9 }),
            shape("text", { x, y: y + 26 }, label))
    })
    return [
        element(
            "div", { class: "graph" },
            shape(
                "svg", { viewBox: `${-width / 2} ${-height / 2} ${width} ${height}`, role: "img", "aria-label": say("graph") },
                ...lines, ...marks)),
        ...(count > nodes.length ? [element("p", {}, `${count - nodes.length} ${say("more nodes")}`)] : []),
    ]
}

const input = ({ name, usual, choices, secret }) => element(
    "label", {}, element("span", {}, say(name)),
    choices.length
        ? element("select", { name }, ...choices.map((value) => element("option", { value }, say(value))))
        : element("input", { name, type: secret ? "password" : "text", autocomplete: "off", value: usual }))

// Actions of this view that no row has: each is a form. What several of them ask for is typed once, above.
function forms(tables) {
    const ofRows = new Set(tables.flatMap(({ actions }) => actions))
    const own = console_.actions.filter((action) => action.name.startsWith(view + ".") && !ofRows.has(action.name))
    if (console_.role != "operate" || !own.length) return []
    const times = (name) => own.filter(({ fields }) => fields.some((field) => field.name == name)).length
    const shared = new Map(own.flatMap(({ fields }) => fields).filter(({ name }) => times(name) > 1).map((f) => [f.name, f]))
    const common = element("form", { id: "shared", onsubmit: (event) => event.preventDefault() }, ...[...shared.values()].map(input))
    return [...(shared.size ? [common] : []), ...own.map((action) => form(
        action.name, action.fields.filter(({ name }) => !shared.has(name)),
        (fields) => send(action.name, { ...fields, ...Object.fromEntries(new FormData(common)) })))]
}

const form = (action, fields, done) => element(
    "form", {
        "data-action": action,
        onsubmit: (event) => {
            event.preventDefault()
            done(Object.fromEntries(new FormData(event.target)))
        },
    },
    ...fields.map(input), element("button", {}, label(action)))

const filters = () => element(
    "form", { onsubmit: (event) => event.preventDefault() },
    element("input", {
        id: "filter", placeholder: say("filter"), "aria-label": say("filter"), value: filter,
        oninput: (event) => { filter = event.target.value; refresh() },
    }),
    ...(view != "events" ? [] : [element(
        "select", { id: "level", "aria-label": say("level"), onchange: (event) => { level = event.target.value; refresh() } },
        ...["debug", "info", "notice", "warning", "error"].map((name) =>
            element("option", { value: name, selected: name == level && "selected" }, say(name))))]))

async function refresh() {
    if (!console_) return
    const wanted = view
    try {
        const answer = await ask(
            wanted == "events" ? `/api/events?${new URLSearchParams({ level, text: filter })}` : `/api/views/${wanted}`)
        if (wanted != view) return
        // Forms stay, so that nobody loses what is half written.
        if (shownView != wanted) {
            shownView = wanted
            main.replaceChildren(
                ...(hints[language][wanted] ? [element("p", { class: "hint" }, hints[language][wanted])] : []),
                element("p", { id: "said", role: "status" }), ...(answer.tables ? forms(answer.tables) : []),
                element("div", { id: "asked" }), filters(), element("div", { id: "view" }))
        }
        const place = document.getElementById("view")
        if (wanted == "events") {
            place.replaceChildren(element(
                "div", { class: "table" },
                ...answer.events.reverse().map(({ level, text }) => element("pre", { class: level }, text))))
        } else {
            place.replaceChildren(
                ...(answer.figures.length ? [figures(answer.figures)] : []),
                ...(answer.graph?.nodes.length ? graph(answer.graph) : []), ...answer.tables.flatMap(table))
        }
        state.textContent = say("live")
        state.classList.remove("bad")
    } catch (error) {
        if (error.status == 401) return showLogin()
        state.textContent = error.status ? error.message : say("no answer")
        state.classList.add("bad")
    }
}

// MARK: What is done

// On a row: its key is the first field, and the others are asked for.
function act(name, key) {
    const [first, ...rest] = console_.actions.find((action) => action.name == name).fields
    const done = (fields) => {
        document.getElementById("asked").replaceChildren()
        send(name, { [first.name]: key, ...fields })
    }
    if (!rest.length) return done({})
    const question = form(name, rest, done)
    question.prepend(element("b", {}, key))
    document.getElementById("asked").replaceChildren(question)
    question.elements[0].focus()
}

async function send(name, fields) {
    const said = document.getElementById("said")
    try {
        said.textContent = (await ask(`/api/actions/${name}`, fields)).said
        said.className = ""
    } catch (error) {
        said.textContent = error.message
        said.className = "error"
    }
    refresh()
}

// MARK: Who looks

function showLogin(words = "the node printed a link when it started; open it, or write the secret here") {
    console_ = shownView = null
    showTabs()
    const field = element("input", { name: "secret", type: "password", placeholder: say("secret"), "aria-label": say("secret") })
    main.replaceChildren(
        element("h2", {}, say("log in first")), element("p", { id: "said" }, say(words)),
        element(
            "form", { onsubmit: (event) => { event.preventDefault(); logIn(field.value) } }, field,
            element("button", {}, say("log in"))))
}

async function logIn(secret) {
    try {
        await ask("/api/login", { secret })
        await start()
    } catch (error) { showLogin(error.message) }
}

async function start() {
    try {
        console_ = await ask("/api/console")
        open(console_.views.includes(view) || view == "events" ? view : "overview")
    } catch { showLogin() }
}

languageButton.addEventListener("click", () => {
    language = language == "zh" ? "en" : "zh"
    localStorage.setItem("language", language)
    shownView = null
    showTabs()
    console_ ? refresh() : showLogin()
})
logoutButton.addEventListener("click", async () => { await ask("/api/logout", {}); showLogin() })

if (asked.has("login")) {
    history.replaceState(null, "", "/")
    await logIn(asked.get("login"))
} else {
    await start()
}
setInterval(() => { if (!document.hidden) refresh() }, 1000)
