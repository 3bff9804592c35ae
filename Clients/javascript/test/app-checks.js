// What the client of an application server must do, in a real browser. Tests/AppTests/Browser calls each check by its
// name on a page. Beside it are the server of Examples/conformance, and `script/`, a WebSocket that plays a server
// which says what it is told.
import { hex, is, rejection, runner, unhex } from "./expect.js"
import {
    AppClient, AppError, ClientError, PacketReader, bytes, decodeError, decodeMessage, encodeMessage, encodePacket,
    inflate, json,
} from "./omniway-app.js"

const filled = (count) => Uint8Array.from({ length: count }, (_, index) => (index * 7 + (index >> 8)) & 0xff)

/** The next message that is pushed to a route. */
const pushed = (client, route) => new Promise((resolve) => {
    const stop = client.on(route, (message) => {
        stop()
        resolve(message)
    })
})

/** Does something while timers of so many milliseconds are held back: it calls those that are due. */
async function held(time, work) {
    const { setTimeout, clearTimeout } = globalThis
    const due = []
    globalThis.setTimeout = (work, after, ...values) => {
        if (after !== time) return setTimeout(work, after, ...values)
        due.push(work)
        return work
    }
    globalThis.clearTimeout = (timer) => {
        if (due.includes(timer)) due.splice(due.indexOf(timer), 1)
        else clearTimeout(timer)
    }
    try {
        return await work(due)
    } finally {
        Object.assign(globalThis, { setTimeout, clearTimeout })
    }
}

// MARK: With an app

async function requests({ url }) {
    const client = await AppClient.connect(url)
    is(client.state, "open", "state")
    is(await client.request("room.echojson", { content: "héllo ✓", n: 3 }), { content: "héllo ✓", n: 3 }, "JSON")
    is(await client.request("room.room.noarg"), { code: 200, result: "room" }, "a request without a body")
    is(await client.request("room.echo"), undefined, "an answer without a body")
    const numbers = Array.from({ length: 1000 }, (_, number) => number)
    const answers = await Promise.all(numbers.map((n) => client.request("room.echojson", { content: "x", n })))
    is(answers.map(({ n }) => n), numbers, "each request has its own answer")
    is((await client.request("room.big", { n: 300_000 })).content.length, 300_000, "a large answer")
    // Bytes go as they are, and come back as what the serializer makes of them.
    is(await client.request("room.echo", new TextEncoder().encode("[1,2]")), [1, 2], "bytes that are JSON")
    const error = await rejection(client.request("room.echo", new Uint8Array([1, 2])), "what is no JSON")
    is([error instanceof ClientError, error.code], [true, "unreadable"], error.message)
    client.close()
    is((await client.closed).code, "closed", "why it ended")
    is((await rejection(client.request("room.noarg"), "a late request")).code, "closed", "after the end")
}

async function bodies({ url }) {
    const client = await AppClient.connect(url, { serializer: bytes })
    for (const size of [0, 1, 255, 256, 65_536, (4 << 20) - 267]) {
        const body = filled(size)
        const answer = await client.request("room.echo", body) ?? new Uint8Array(0)
        is(answer.length === size && answer.every((byte, index) => byte === body[index]), true, `${size} bytes`)
    }
    is((await rejection(client.request("room.echo", filled(4 << 20)), "a large one")).code, "too-large", "its code")
    is((await client.request("room.echo", filled(3))).length, 3, "after it")
    client.close()
}

async function errors({ url }) {
    const client = await AppClient.connect(url)
    const told = async (route, value) => {
        const error = await rejection(client.request(route, value), route)
        is(error instanceof AppError, true, `what ${route} throws`)
        return { code: error.code, message: error.message, metadata: error.metadata }
    }
    const bad = { code: "RM-001", message: "bad", metadata: { k: "v" } }
    is(await told("room.err", { content: "bad" }), bad, "an error of the application")
    const long = "too long to go as it is ".repeat(40)
    is((await told("room.err", { content: long })).message, long, "a long error")
    is((await told("room.errplain", { content: "oh" })).code, "PIT-000", "any other error")
    is(await told("room.nothere"),
        { code: "PIT-404", message: "pitaya/handler: room.nothere not found", metadata: {} }, "no such route")
    is((await told("room.notify", { content: "n" })).code, "PIT-400", "a request to what answers nothing")
    is((await rejection(client.request(""), "no route")).name, "TypeError", "no route")
    is((await rejection(client.request("r".repeat(256)), "a long route")).name, "RangeError", "a long route")
    client.close()
}

async function pushes({ url }) {
    const client = await AppClient.connect(url)
    const heard = []
    const stop = client.on("onPush", ({ n = 0 }) => heard.push(n))
    client.on("onPush", ({ n = 0 }) => heard.push(`again ${n}`))
    is(await client.request("room.push", { content: "p", n: 3 }), { code: 200, result: "pushed" }, "the answer")
    is(heard, [0, "again 0", 1, "again 1", 2, "again 2"], "all came before it, in order")
    stop()
    await client.request("room.push", { content: "a longer one ".repeat(100), n: 1 })
    is(heard.slice(6), ["again 0"], "after the first has stopped")
    const echo = pushed(client, "onNotify")
    client.notify("room.notify", { content: "n", n: 5 })
    is(await echo, { content: "n", n: 5 }, "what a notify led to")
    client.close()
}

async function broadcast({ url }) {
    const clients = await Promise.all(["anna", "bert", "carl"].map(async (name) => {
        const client = await AppClient.connect(url)
        is((await client.request("room.bind", { content: name })).result, `bound ${name}`, "bind")
        return client
    }))
    for (const [index, client] of clients.entries()) {
        is((await client.request("room.join")).result, `members=${index + 1}`, "join")
    }
    const all = Promise.all(clients.map((client) => pushed(client, "onMessage")))
    await clients[0].request("room.broadcast", { content: "hello, all" })
    is(await all, Array(3).fill({ content: "hello, all" }), "what all hear")
    for (const client of clients) await client.request("room.leave")
    for (const client of clients) client.close()
}

async function kick({ url }) {
    const client = await AppClient.connect(url)
    const states = []
    client.onstatechange = (state, reason) => states.push(`${state} ${reason.code}`)
    const waiting = rejection(client.request("room.sleep", { content: "z", n: 60_000 }), "a request meanwhile")
    client.notify("room.kickme")
    is((await client.closed).code, "kicked", "why")
    is((await waiting).code, "kicked", "a request meanwhile")
    is(states, ["closed kicked"], "it is not connected to again")
}

async function refused({ url }) {
    const error = await rejection(AppClient.connect(url, { user: { reject: true } }), "a refused client")
    is([error instanceof ClientError, error.code], [true, "refused"], error.message)
}

async function deadlines({ url }) {
    let client
    const late = await held(7000, async (due) => {
        client = await AppClient.connect(url, { connectTimeout: 7000, maxRequests: 1 })
        is(due.length, 0, "deadlines of a connection that is there")
        const late = rejection(client.request("room.sleep", { content: "late", n: 1 }, { timeout: 7000 }), "a slow one")
        due.shift()()
        return late
    })
    is([late.code, late.message.includes("room.sleep")], ["timeout", true], late.message)
    // Its answer comes before this one, and is nobody's.
    is((await client.request("room.sleep", { content: "in time", n: 50 })).result, "in time", "another request")
    client.close()
}

async function restart({ url, server }) {
    let asked = 0
    const client = await AppClient.connect(url, {
        user: async () => ({ token: asked += 1 }), reconnect: { delay: 20, maxDelay: 50, attempts: 1000 },
    })
    await client.request("room.bind", { content: "anna" })
    const states = []
    const isBack = new Promise((resolve, reject) => {
        client.onstatechange = (state, reason) => {
            states.push(`${state} ${reason.code}`)
            if (state === "open") client.request("room.bind", { content: "anna" }).then(resolve, reject)
        }
    })
    const waiting = rejection(client.request("room.sleep", { content: "z", n: 60_000 }), "a request meanwhile")
    const restarted = fetch(`/restart/${server}`)
    const lost = await waiting
    is([lost.code, lost.message.includes("may have been done")], ["lost", true], lost.message)
    is(client.state, "reconnecting", "state")
    is((await rejection(client.request("room.noarg"), "a request")).code, "lost", "a request without a connection")
    await restarted
    is((await isBack).result, "bound anna", "a new session is bound again")
    is(states, ["reconnecting lost", "open open"], "states")
    is((await client.request("room.get")).handshake.user, { token: 2 }, "what it said about itself")
    client.close()
    is(states.at(-1), "closed closed", "at the end")
}

async function bounds({ url }) {
    const client = await AppClient.connect(url, { maxRequests: 2, maxPacket: 1 << 20, maxBuffered: 2 << 20 })
    const two = [1, 2].map((n) => client.request("room.sleep", { content: "z", n }))
    is((await rejection(client.request("room.noarg"), "a third")).code, "too-many", "above the limit")
    await Promise.all(two)
    const part = { content: "x".repeat(300_000) }
    let code
    try {
        // In one turn, so the browser has no time to send.
        for (let index = 0; index < 20; index++) client.notify("room.echojson", part)
    } catch (error) {
        code = error.code
    }
    is(code, "buffer-full", "sending without waiting")
    is(client.bufferedAmount <= 2 << 20 && client.bufferedAmount >= 1_500_000, true, "what waits")
    for (let index = 0; index < 20; index++) {
        await client.drained()
        client.notify("room.echojson", part)
    }
    await client.drained()
    is((await client.request("room.noarg")).code, 200, "after all")
    client.close()
    is((await rejection(client.drained(), "waiting")).code, "closed", "waiting after the end")
    for (const wrong of [{ time: 1 }, { serializer: {} }]) {
        is((await rejection(AppClient.connect(url, wrong), "an option")).name, "TypeError", JSON.stringify(wrong))
    }
    for (const wrong of [{ maxPacket: -1 }, { maxPacket: 1 << 24 }, { maxPacket: 2 << 20, maxBuffered: 1 << 20 }]) {
        is((await rejection(AppClient.connect(url, wrong), "a size")).name, "RangeError", JSON.stringify(wrong))
    }
}

async function applicationErrors({ url }) {
    const reported = []
    const silence = (event) => {
        event.preventDefault()
        reported.push(event.error.message)
    }
    addEventListener("error", silence)
    const client = await AppClient.connect(url)
    const heard = []
    client.on("onPush", ({ n = 0 }) => { throw new Error(`about ${n}`) })
    client.on("onPush", ({ n = 0 }) => heard.push(n))
    await client.request("room.push", { content: "p", n: 2 })
    is([heard, client.state], [[0, 1], "open"], "what others hear")
    client.close()
    removeEventListener("error", silence)
    is(reported, ["about 0", "about 1"], "what was reported")
}

// MARK: With a script
// A script is steps with "-" between them: hex to send as one message; "w" and hex to wait for; "t" to send a text;
// "x" to close.

const sys = { platform: "p", libVersion: "l", clientBuildNumber: "b", clientVersion: "v" }
const hello = "w" + hex(encodePacket("handshake", json.encode({ sys, user: {} })))
const answer = (sys, code = 200) => hex(encodePacket("handshake", json.encode({ code, sys })))
const welcome = answer({ heartbeat: 0, dict: {} })
const [ack, beat, leave] = ["ack", "heartbeat", "kick"].map((type) => hex(encodePacket(type)))
const opening = [hello, welcome, "w" + ack]

const scripted = (base, steps, options) =>
    AppClient.connect(`${base}/script/${steps.join("-")}`, { sys, reconnect: false, ...options })

const packet = (...message) => hex(encodePacket("data", Uint8Array.from(message.flat())))
const utf8 = (text) => [...new TextEncoder().encode(text)]
const push = (route, body, flag = 0) => packet(6 | flag, route.length, utf8(route), [...body])
const response = (id, body, flag = 0) => packet(4 | flag, id, [...body])

async function deflate(body) {
    const stream = new Blob([Uint8Array.from(body)]).stream().pipeThrough(new CompressionStream("deflate"))
    return new Uint8Array(await new Response(stream).arrayBuffer())
}

async function order({ base }) {
    // Each second one must be inflated, which takes time; all come at once, and the kick and the end behind them.
    const packets = []
    const sent = []
    for (let number = 0; number < 40; number++) {
        const value = { number, filler: "x".repeat(number * 7) }
        const body = json.encode(value)
        packets.push(number % 2 ? push("p", await deflate(body), 0x10) : push("p", body))
        sent.push(number)
    }
    for (const steps of [[packets.join("")], packets]) {
        const client = await scripted(base, [...opening, ...steps, leave, "x"])
        const heard = []
        client.on("p", ({ number }) => heard.push(number))
        is((await client.closed).code, "kicked", "the end comes last")
        is(heard, sent, "the order of messages")
    }
}

async function cutPackets({ base }) {
    const stream = push("p", utf8("1")) + beat + push("p", await deflate(utf8("2")), 0x10) + push("p", utf8("3"))
        + push("q", []) + leave
    for (const size of [1, 2, 3, 5, 7, 11, stream.length / 2]) {
        const pieces = stream.match(new RegExp(`.{1,${2 * size}}`, "g"))
        const client = await scripted(base, [...opening, ...pieces])
        const heard = []
        client.on("p", (value) => heard.push(value))
        client.on("q", (value) => heard.push(value ?? "nothing"))
        is((await client.closed).code, "kicked", "the end")
        is(heard, [1, 2, 3, "nothing"], `cut into pieces of ${size} bytes`)
    }
}

async function dictionary({ base }) {
    const dict = { "room.room.echo": 1, onPush: 2, "room.room.push": 300 }
    const plain = json.encode({ code: 200, sys: { dict, heartbeat: 0, serializer: "json" } })
    for (const body of [plain, await deflate(plain)]) {
        const client = await scripted(base, [
            hello, hex(encodePacket("handshake", body)), "w" + ack,
            "w" + packet(1, 1, 0, 1, utf8("7")), response(1, utf8("8")), // A request to the code 1.
            "w" + packet(3, 1, 44, utf8("9")), push("x", []) + packet(7, 0, 2, utf8("10")), // A notify to 300.
            "w" + packet(0, 2, 3, utf8("a.b")), response(2, []), // Not in the dictionary.
        ])
        is(await client.request("room.room.echo", 7), 8, "a request")
        const next = pushed(client, "onPush")
        client.notify("room.room.push", 9)
        is(await next, 10, "a push")
        is(await client.request("a.b"), undefined, "another route")
        client.close()
    }
}

async function heartbeats({ base }) {
    const greeting = [hello, answer({ heartbeat: 7, dict: {} }), "w" + ack]
    const answered = Array(6).fill(["w" + beat, beat + push("p", utf8("1"))]).flat()
    await held(7000, async (due) => {
        const client = await scripted(base, [...greeting, ...answered, "w" + beat + beat + beat, "x"])
        for (let count = 0; count < 6; count++) {
            const heard = pushed(client, "p")
            due.shift()()
            await heard
        }
        due.shift()()
        due.shift()()
        is([client.state, due.length], ["open", 1], "after two intervals of silence")
        due.shift()()
        const reason = await client.closed
        is([reason.code, reason.message.includes("silent")], ["lost", true], "after the third")
    })
    // Heartbeats before the handshake are as good as none.
    const early = await scripted(base, [hello, beat + beat + welcome, "w" + ack, leave])
    is((await early.closed).code, "kicked", "heartbeats before the answer")
}

async function malformed({ base }) {
    const bomb = await deflate(new Uint8Array(1 << 20))
    const deflated = await deflate(utf8("[1]"))
    const wrong = {
        "a packet of type 0": "00000000",
        "a packet of type 6": "06000000",
        "a packet above the limit": "04040001",
        "an ack": ack,
        "a second answer": welcome,
        "an empty message": packet(),
        "one byte": packet(4),
        "a type that is none": packet(8, 1),
        "an id without an end": packet(4, 0x80, 0x80),
        "an id that is too long": packet(4, Array(10).fill(0x80), 1),
        "a route without an end": packet(6, 5, 1),
        "a route that is no text": packet(6, 1, 0xff),
        "a code that is cut": packet(7, 1),
        "a code that nobody knows": packet(7, 0, 9),
        "a request": packet(0, 1, 1, 65),
        "a notify": packet(2, 1, 65),
        "a body that is not compressed": push("p", utf8("[1]"), 0x10),
        "a compressed body that is cut": push("p", deflated.subarray(0, 5), 0x10),
        "bytes behind a compressed body": push("p", [...deflated, 0], 0x10),
        "a body that becomes too much": push("p", bomb, 0x10),
    }
    const options = { maxPacket: 256 << 10, maxInflated: 64 << 10 }
    for (const [what, bytes] of Object.entries(wrong)) {
        const client = await scripted(base, [...opening, bytes], options)
        const waiting = rejection(client.request("a.b"), what)
        const reason = await client.closed
        const isSaid = reason.message.startsWith("the server broke the protocol: ")
        is([reason.code, isSaid], ["protocol", true], `${what}: ${reason.message}`)
        is((await waiting).code, "protocol", `a request meanwhile, with ${what}`)
    }
    const client = await scripted(base, [...opening, "t"], options)
    is((await client.closed).code, "protocol", "a text")
    const early = {
        "a message": push("p", []), "no JSON": hex(encodePacket("handshake", utf8("hello"))),
        "nothing": hex(encodePacket("handshake")), "wrong codes": answer({ dict: { a: 65_536 } }),
        "a code twice": answer({ dict: { a: 1, b: 1 } }), "a wrong heartbeat": answer({ heartbeat: -1 }),
        "a long answer": hex(encodePacket("handshake", bomb)),
    }
    for (const [what, bytes] of Object.entries(early)) {
        const error = await rejection(scripted(base, [hello, bytes], options), what)
        is(error.code, "protocol", `${what} for an answer: ${error.message}`)
    }
    is((await rejection(scripted(base, [hello, leave]), "a kick at once")).code, "kicked", "a kick at once")
    is((await rejection(scripted(base, [hello, "x"]), "an end at once")).code, "lost", "an end at once")
}

async function losses({ base }) {
    const error = await rejection(AppClient.connect(`${base}/nothing`), "a wrong address")
    is([error.code, error.message.includes("check the address")], ["unreachable", true], error.message)
    const slow = await rejection(scripted(base, [hello + "00"], { connectTimeout: 20 }), "no answer")
    is(slow.code, "timeout", slow.message)
    // Every connection is let in and ends before it says anything: attempts are counted.
    const reconnect = { attempts: 3, delay: 1, maxDelay: 2 }
    const client = await scripted(base, [...opening, "x"], { reconnect })
    const states = []
    client.onstatechange = (state) => states.push(state)
    is((await client.closed).code, "lost", "after all attempts")
    is(states.filter((state) => state === "reconnecting").length, 3, "attempts")
    // One that says something each time works, and is tried for ever.
    const loyal = await scripted(base, [...opening, beat, "x"], { reconnect: { ...reconnect, attempts: 1 } })
    let losses = 0
    loyal.onstatechange = (state) => { if (state === "reconnecting" && (losses += 1) === 5) loyal.close() }
    is([(await loyal.closed).code, losses], ["closed", 5], "losses that are mended")
}

async function bombs() {
    const bomb = await deflate(new Uint8Array(32 << 20))
    let fed = 0
    bomb.subarray = (from, to) => {
        fed = to
        return Uint8Array.prototype.subarray.call(bomb, from, to)
    }
    is((await rejection(inflate(bomb, 1 << 20), "a bomb")).code, "protocol", "what becomes too much")
    is(fed < bomb.length / 4, true, `the end of it is not looked at: ${fed} of ${bomb.length}`)
    is((await inflate(bomb, 32 << 20)).length, 32 << 20, "as much as may be")
}

async function floods({ base }) {
    // The first must be inflated, so all others wait; there is room for ten.
    const flood = push("p", await deflate(utf8("1")), 0x10) + push("p", utf8("2")).repeat(100)
    const client = await scripted(base, [...opening, flood], { queuedMessages: 10 })
    is((await client.closed).code, "queue-full", "more than may wait")
    // What never waits, or has waited, does not count.
    const few = push("p", await deflate(utf8("2")), 0x10) + push("p", utf8("3"))
    const many = push("p", utf8("1")).repeat(100)
    const patient = await scripted(base, [...opening, many, few, leave], { queuedBytes: 100 })
    const heard = []
    patient.on("p", (value) => heard.push(value))
    is((await patient.closed).code, "kicked", "its end")
    is(heard.slice(-3), [1, 2, 3], "what it heard")
    // Nothing that comes behind brings back a client that a callback has closed.
    const leaver = await scripted(base, [...opening, many], { queuedMessages: 10, reconnect: {} })
    const states = []
    leaver.onstatechange = (state) => states.push(state)
    leaver.on("p", () => leaver.close())
    is([(await leaver.closed).code, states, leaver.state], ["closed", ["closed"], "closed"], "closed in a callback")
}

async function serializers({ base }) {
    const protobuf = { heartbeat: 0, dict: {}, serializer: "protobuf" }
    const greeting = [hello, answer(protobuf), "w" + ack]
    const error = await rejection(scripted(base, greeting), "another serializer")
    is([error.code, error.message.includes("protobuf")], ["serializer", true], error.message)
    const told = unhex("0a06524d2d30303112036261641a060a016b120176") // As the original writes it.
    const reversed = {
        name: "protobuf", encode: (text) => Uint8Array.from(utf8(text).reverse()),
        decode: (body) => new TextDecoder().decode(Uint8Array.from(body).reverse()),
    }
    const asked = (id) => "w" + packet(0, id, 3, utf8("a.b"), utf8("cba"))
    const client = await scripted(
        base, [...greeting, asked(1), response(1, utf8("zyx")), asked(2), response(2, told, 0x20)],
        { serializer: reversed })
    is(await client.request("a.b", "abc"), "xyz", "a serializer of the application")
    const { code, message, metadata } = await rejection(client.request("a.b", "abc"), "an error")
    is([code, message, metadata], ["RM-001", "bad", { k: "v" }], "an error in protobuf")
    client.close()
}

// MARK: Bytes alone

const recorded = async (name) => (await fetch(`/vectors/pitaya-${name}.json`)).json()

function failure(work, what) {
    try {
        work()
    } catch (error) {
        return error
    }
    throw new Error(`${what} did not fail`)
}

async function packetVectors() {
    const { encode, decode } = await recorded("packets")
    const types = [null, "handshake", "ack", "heartbeat", "data", "kick"]
    for (const { name, type, body, bodyLength, packet, head, error } of encode) {
        if (error || bodyLength > 0xffffff) {
            failure(() => encodePacket(types[type], new Uint8Array(bodyLength)), name)
            continue
        }
        const bytes = encodePacket(types[type], body === undefined ? new Uint8Array(bodyLength) : unhex(body))
        is(hex(bytes.subarray(0, head ? 4 : bytes.length)), head ?? packet, name)
    }
    for (const { name, bytes, error, packets } of decode) {
        const found = []
        const read = () => { for (const packet of new PacketReader().read(unhex(bytes))) found.push(packet) }
        if (error) is(failure(read, name).code, "protocol", name)
        else read()
        if (packets) is(found.map(({ type, body }) => ({ body: hex(body), type: types.indexOf(type) })), packets, name)
    }
    // All that can be whole in one stream, cut in two at every place, and into single bytes.
    const good = encode.filter(({ packet }) => packet)
    const stream = unhex(good.map(({ packet }) => packet).join(""))
    const all = good.map(({ packet }) => packet.slice(8))
    for (let cut = 0; cut <= stream.length; cut++) {
        const reader = new PacketReader()
        const found = [...reader.read(stream.slice(0, cut)), ...reader.read(stream.slice(cut))]
        is(found.map(({ body }) => hex(body)), all, `cut at ${cut}`)
    }
    const reader = new PacketReader()
    const found = Array.from(stream, (byte) => [...reader.read(Uint8Array.of(byte))]).flat()
    is(found.map(({ body }) => hex(body)), all, "cut everywhere")
}

async function messageVectors() {
    const { dictionary, encode, decode } = await recorded("messages")
    const routes = new Map(Object.entries(dictionary))
    const codes = new Map(Object.entries(dictionary).map(([route, code]) => [code, route]))
    const matches = async (message, expected, what) => {
        const { type, id, route, isError, isCompressed, body } = decodeMessage(unhex(message), codes)
        const whole = isCompressed ? await inflate(body, 1 << 20) : body
        const found = { type, id: `${BigInt(id)}`, route, isError, body: hex(whole) }
        is(found, expected, what)
    }
    for (const { name, message, error, ...expected } of decode) {
        if (!error) {
            const { type, id, route, isError, body } = expected
            await matches(message, { type, id, route, isError, body }, name)
        } else {
            is((await rejection(matches(message, {}, name), name)).code, "protocol", name)
        }
    }
    const answers = new Set(["response", "push"])
    for (const { name, type, id, route, body, deflated, message, isError, error } of encode) {
        // What the original gets wrong: it wraps a long route, and marks the route of an answer that has none.
        if (["route-256-wraps", "response-route-in-dictionary"].some((wrong) => name.includes(wrong)) || error) continue
        const hasID = type === "request" || type === "response"
        const expected = {
            type, id: hasID ? `${BigInt(Number(id))}` : "0", route: type === "response" ? "" : route, isError, body,
        }
        await matches(message, expected, name)
        if (answers.has(type) || deflated || Number(id) > Number.MAX_SAFE_INTEGER) continue
        is(hex(encodeMessage({ type, id: Number(id), route, body: unhex(body) }, routes)), message, name)
        // Every beginning is another message, or none; never anything else.
        for (let cut = 0; cut < message.length / 2; cut++) {
            try {
                decodeMessage(unhex(message.slice(0, 2 * cut)), codes)
            } catch (error) {
                is(error.code, "protocol", `${name} cut at ${cut}`)
            }
        }
    }
    const long = { type: "notify", route: "r".repeat(256), body: new Uint8Array(0) }
    is(failure(() => encodeMessage(long), "a long route").name, "RangeError", "a long route")
    const late = { type: "request", id: 2 ** 53, route: "a.b", body: new Uint8Array(0) }
    is(failure(() => encodeMessage(late), "a large id").name, "RangeError", "a large id")
}

async function otherVectors({ base }) {
    const { response, ack: recordedAck } = await recorded("handshakes")
    is(recordedAck, ack, "the ack")
    for (const { name, packet, json: text } of response) {
        const { code, sys: theirs } = JSON.parse(text)
        const options = { serializer: theirs.serializer === "json" ? json : bytes }
        const connecting = scripted(base, [hello, packet, "w" + ack, leave], options)
        if (code === 200) is((await (await connecting).closed).code, "kicked", name)
        else is((await rejection(connecting, name)).code, "refused", name)
    }
    const { payloads } = await recorded("errors")
    for (const { name, payload, serializer } of payloads) {
        const text = payloads.find((other) => other.name === name && other.text).text
        const { code = "", msg = "", metadata = {} } = JSON.parse(text)
        const error = decodeError(unhex(payload), serializer)
        is([error.code, error.message, error.metadata], [code, msg, metadata], `${name} in ${serializer}`)
        for (let cut = 0; cut < payload.length / 2; cut++) {
            is(decodeError(unhex(payload.slice(0, 2 * cut)), serializer) instanceof AppError, true, `${name} cut`)
        }
    }
}

export const run = runner({
    requests, bodies, errors, pushes, broadcast, kick, refused, deadlines, restart, bounds, applicationErrors, order,
    cutPackets, dictionary, heartbeats, malformed, losses, bombs, floods, serializers, packetVectors,
    messageVectors, otherVectors,
})
