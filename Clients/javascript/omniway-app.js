// The browser's end of an application server: the protocol of pomelo and pitaya over WebSocket. No dependencies, no
// build step; it also runs where WebSocket is built in: Node from 22 on, Deno, Bun, workers.
//
//     import { AppClient } from "./omniway-app.js"
//
//     const client = await AppClient.connect("wss://game.example.org/", { user: { token } })
//     client.on("onMessage", ({ from, words }) => console.log(from, words))
//     const { members } = await client.request("room.join", { name: "Anna" })
//     client.notify("room.say", { words: "hello" })

/** What a server answers instead of a result. The codes that begin with `PIT-` are the protocol's. */
export class AppError extends Error {
    constructor(code, message, metadata = {}) {
        super(message)
        this.name = "AppError"
        this.code = code
        this.metadata = metadata
    }
}

/** What kept a message from the server, or its answer from us: a word (`code`) and a sentence that says what to do. */
export class ClientError extends Error {
    constructor(code, message) {
        super(message)
        this.name = "ClientError"
        this.code = code
    }
}

const encoder = new TextEncoder()
const decoder = new TextDecoder("utf-8", { fatal: true })
const parse = (bytes) => JSON.parse(decoder.decode(bytes))

/** Bodies that are JSON. */
export const json = { name: "json", encode: (value) => encoder.encode(JSON.stringify(value)), decode: parse }
/** Bodies as they are, for whoever reads them otherwise. */
export const bytes = { encode: (value) => value, decode: (body) => body }

// MARK: Packets

const packetTypes = [null, "handshake", "ack", "heartbeat", "data", "kick"]
const mostBody = 0xffffff

/** A packet as bytes: its type, the length of its body in three bytes, its body. */
export function encodePacket(type, body = new Uint8Array(0)) {
    const number = packetTypes.indexOf(type)
    if (number < 1) throw new TypeError(`there is no packet ${type}`)
    if (body.length > mostBody) throw new RangeError(`a packet takes ${mostBody} bytes, not ${body.length}`)
    const packet = new Uint8Array(4 + body.length)
    new DataView(packet.buffer).setUint32(0, number * 2 ** 24 + body.length)
    packet.set(body, 4)
    return packet
}

/** Finds packets in bytes, wherever these are cut. */
export class PacketReader {
    #maxPacket
    // The beginning of a packet whose end has not come yet: the first bytes of a buffer that grows as they come.
    #rest = new Uint8Array(0)
    #restSize = 0

    constructor(maxPacket = mostBody) { this.#maxPacket = maxPacket }

    /**
     * The packets that are whole now; the rest waits for the next call. Throws a ClientError for what no server sends;
     * the packets in front of it have been given by then.
     */
    *read(bytes) {
        if (this.#restSize > 0) bytes = this.#append(bytes)
        this.#restSize = 0
        let start = 0
        while (bytes.length - start >= 4) {
            const type = packetTypes[bytes[start]]
            const length = bytes[start + 1] << 16 | bytes[start + 2] << 8 | bytes[start + 3]
            if (!type) throw malformed(`packets of type ${bytes[start]} are not known`)
            if (length > this.#maxPacket) throw malformed(`a packet of ${length} bytes; raise maxPacket if it is right`)
            const end = start + 4 + length
            if (bytes.length < end) break
            // A copy: it neither keeps the whole WebSocket message alive, nor changes with the bytes that follow.
            yield { type, body: bytes.slice(start + 4, end) }
            start = end
        }
        if (start < bytes.length) this.#keep(bytes.subarray(start))
    }

    #append(bytes) {
        const size = this.#restSize + bytes.length
        if (size > this.#rest.length) {
            const larger = new Uint8Array(Math.max(size, 2 * this.#rest.length))
            larger.set(this.#rest.subarray(0, this.#restSize))
            this.#rest = larger
        }
        this.#rest.set(bytes, this.#restSize)
        return this.#rest.subarray(0, size)
    }

    #keep(bytes) {
        const { buffer, byteOffset, length } = bytes
        if (buffer === this.#rest.buffer) this.#rest.copyWithin(0, byteOffset, byteOffset + length)
        else this.#rest = new Uint8Array(bytes)
        this.#restSize = length
    }
}

const malformed = (message) => new ClientError("protocol", `the server broke the protocol: ${message}`)

// MARK: Messages

const messageTypes = ["request", "notify", "response", "push"]
const [routeIsCode, bodyIsCompressed, isError] = [0x01, 0x10, 0x20]
const mostIDBytes = 10

/** A request (with an id) or a notify as bytes. Routes that are in the dictionary, a Map to codes, go as these. */
export function encodeMessage({ type, id, route, body }, dictionary = new Map()) {
    const number = messageTypes.indexOf(type)
    const code = dictionary.get(route)
    const head = [number << 1 | (code === undefined ? 0 : routeIsCode)]
    if (type === "request") {
        if (!Number.isSafeInteger(id) || id < 0) throw new RangeError(`${id} is no id`)
        for (; id >= 0x80; id = Math.floor(id / 0x80)) head.push(id % 0x80 | 0x80)
        head.push(id)
    }
    if (code === undefined) {
        const text = encoder.encode(route)
        if (text.length > 255) throw new RangeError(`a route has 255 bytes at most: ${route}`)
        head.push(text.length, ...text)
    } else {
        head.push(code >> 8, code & 0xff)
    }
    const message = new Uint8Array(head.length + body.length)
    message.set(head)
    message.set(body, head.length)
    return message
}

/** Reads any message. The codes of a dictionary are a Map to routes. Throws a ClientError for what is none. */
export function decodeMessage(bytes, codes = new Map()) {
    const [flag] = bytes
    const type = messageTypes[flag >> 1 & 7]
    if (bytes.length < 2 || !type) throw malformed("a message without a type that is known")
    const hasID = type === "request" || type === "response"
    const hasRoute = type !== "response"
    let [at, id, route] = [1, 0, ""]
    if (hasID) {
        // Above 2^53 it is not exact, and not ours.
        for (let unit = 1, isLast = false; !isLast; unit *= 0x80, at++) {
            if (at >= bytes.length || at > mostIDBytes) throw malformed("an id without an end")
            id += (bytes[at] & 0x7f) * unit
            isLast = bytes[at] < 0x80
        }
    }
    if (hasRoute) {
        const isCode = (flag & routeIsCode) !== 0
        const start = isCode ? at : at + 1
        const end = start + (isCode ? 2 : bytes[at])
        if (!(end <= bytes.length)) throw malformed("a route without an end")
        route = isCode ? codes.get(bytes[start] << 8 | bytes[start + 1]) : text(bytes.subarray(start, end))
        if (route === undefined) throw malformed("a code that is not in the dictionary")
        at = end
    }
    return {
        type, id, route, isError: type === "response" && (flag & isError) !== 0,
        isCompressed: (flag & bodyIsCompressed) !== 0, body: bytes.subarray(at),
    }
}

function text(bytes) {
    try {
        return decoder.decode(bytes)
    } catch {
        throw malformed("a route that is no text")
    }
}

/** What a body was before a server compressed it. Rejects with a ClientError when that is more than so many bytes. */
export async function inflate(bytes, most, format = "deflate") {
    let fed = 0
    const source = new ReadableStream({
        pull(pipe) {
            // In pieces: what one becomes, at most a thousand times as much, is looked at before the next goes in.
            pipe.enqueue(bytes.subarray(fed, fed + 1024))
            fed += 1024
            if (fed >= bytes.length) pipe.close()
        },
    })
    const parts = []
    let size = 0
    try {
        for (const reader = source.pipeThrough(new DecompressionStream(format)).getReader();;) {
            const { done, value } = await reader.read()
            if (done) break
            size += value.length
            parts.push(value)
            if (size <= most) continue
            reader.cancel().catch(() => {})
            break
        }
    } catch {
        throw malformed("a body that cannot be inflated")
    }
    if (size > most) throw malformed(`a body that inflates to more than ${most} bytes; raise maxInflated if it is right`)
    if (parts.length === 1) return parts[0]
    const whole = new Uint8Array(size)
    let at = 0
    for (const part of parts) {
        whole.set(part, at)
        at += part.length
    }
    return whole
}

// MARK: Errors

/** The error that a body tells, by the name of the server's serializer. */
export function decodeError(body, serializer = "json") {
    try {
        const { code = "", msg = "", metadata } = serializer === "protobuf" ? protobufError(body) : parse(body)
        return new AppError(String(code), String(msg), metadata ?? {})
    } catch {
        return new AppError("PIT-000", "an error that cannot be read; is the serializer that of the server?")
    }
}

// The one message that must be read whatever reads the others: 1 code, 2 msg, 3 metadata, a map of texts.
function protobufError(body) {
    const error = { metadata: {} }
    for (const [number, field] of protobufFields(body)) {
        if (number === 1) error.code = decoder.decode(field)
        if (number === 2) error.msg = decoder.decode(field)
        if (number === 3) {
            const { 1: key = "", 2: value = "" } = Object.fromEntries(
                [...protobufFields(field)].map(([number, field]) => [number, decoder.decode(field)]))
            error.metadata[key] = value
        }
    }
    return error
}

function* protobufFields(bytes) {
    let at = 0
    const number = () => {
        for (let value = 0, unit = 1;; unit *= 0x80) {
            if (at >= bytes.length || at > 2 ** 24) throw new RangeError("a number without an end")
            const byte = bytes[at++]
            value += (byte & 0x7f) * unit
            if (byte < 0x80) return value
        }
    }
    while (at < bytes.length) {
        const key = number()
        if (key % 8 !== 2) throw new RangeError("not one of the fields of an error")
        const end = number() + at
        if (end > bytes.length) throw new RangeError("a field without an end")
        yield [Math.floor(key / 8), bytes.subarray(at, end)]
        at = end
    }
}

// MARK: A connection

const reason = (code, message) => Object.freeze({ code, message })

// What is not mended by another connection: it would go the same way.
const isFinal = ({ code }) => ["kicked", "refused", "protocol", "serializer"].includes(code)

const ourselves = { platform: "web", libVersion: "omniway-0.1", clientBuildNumber: "1", clientVersion: "1" }

/** One WebSocket from its opening to its end: the handshake, heartbeats, and messages in their order. */
class Wire {
    #url
    #options
    // What it tells the client: opened(), heard(), message(), ended(reason).
    #client
    #socket = null
    #reader
    #isOpen = false
    #isGreeted = false
    #dictionary = new Map()
    #codes = new Map()
    // While a body is inflated, what has come behind it: packets, and the end.
    #inbox = []
    #inboxBytes = 0
    #isBusy = false
    #silentBeats = 0
    // For the next thing to be done: give up connecting, or beat.
    #timer
    /** The name of the server's serializer. */
    serializer

    constructor(url, options, client) {
        this.#url = url
        this.#options = options
        this.#client = client
        this.#reader = new PacketReader(options.maxPacket)
    }

    open() {
        const { connectTimeout } = this.#options
        try {
            this.#socket = new WebSocket(this.#url)
        } catch (error) {
            return this.#end(reason("unreachable", `cannot connect to ${this.#url}: ${error.message}`))
        }
        const socket = this.#socket
        socket.binaryType = "arraybuffer"
        socket.onopen = () => this.#greet()
        socket.onmessage = (event) => this.#receive(event.data)
        socket.onclose = (event) => this.#put({ end: this.#whyClosed(event) }, 0)
        this.#timer = setTimeout(
            () => this.#end(reason("timeout", `${this.#url} did not answer in time`)), connectTimeout)
    }

    get waiting() { return this.#socket?.bufferedAmount ?? 0 }

    /** A server takes one packet with each message of WebSocket. */
    send(message) { this.#socket.send(encodePacket("data", encodeMessage(message, this.#dictionary))) }

    /** Nothing that the socket still has to say matters. What was sent still goes out. */
    leave(code, why) {
        clearTimeout(this.#timer)
        const socket = this.#socket
        if (!socket) return
        this.#socket = null
        this.#inbox = []
        socket.onopen = socket.onmessage = socket.onclose = null
        socket.close(code, why)
    }

    #end(why) {
        this.leave(4000, why.code)
        this.#client.ended(why)
    }

    // Browsers do not say why a WebSocket could not be opened.
    #whyClosed(event) {
        const words = [event.code, event.reason].filter(Boolean).join(" ")
        if (this.#isOpen) return reason("lost", `the server ended the connection (${words})`)
        return reason("unreachable", `cannot connect to ${this.#url}: check the address, that the app listens for`
            + " WebSocket there (ws://, wss://), and that it allows the origin of this page")
    }

    // MARK: The handshake

    async #greet() {
        this.#isOpen = true
        const { sys, user } = this.#options
        try {
            const said = typeof user === "function" ? await user() : user
            const hello = json.encode({ sys: { ...ourselves, ...sys }, user: said })
            this.#socket?.send(encodePacket("handshake", hello))
        } catch (error) {
            if (this.#socket) this.#end(reason("unreachable", `there is nothing to greet with: ${error.message}`))
        }
    }

    async #greeted(body) {
        const format = { 0x78: "deflate", 0x1f: "gzip" }[body[0]] // What is compressed does not begin like JSON.
        if (format) body = await inflate(body, this.#options.maxInflated, format)
        if (!this.#socket) return
        let answer
        try {
            answer = parse(body)
        } catch {
            throw malformed("an answer to the handshake that is no JSON")
        }
        if (answer?.code !== 200) {
            return this.#end(reason("refused", `the server refused this client with the code ${answer?.code}: check`
                + " what it asks for in sys and user"))
        }
        const { dict, heartbeat = 0, serializer } = answer.sys ?? {}
        const { serializer: ours } = this.#options
        if (ours.name && serializer && ours.name !== serializer) {
            return this.#end(reason("serializer", `the server's bodies are ${serializer}, and ours ${ours.name}: give`
                + " connect another serializer"))
        }
        for (const [route, code] of Object.entries(dict ?? {})) {
            const isCode = Number.isInteger(code) && code >= 0 && code <= 0xffff
            if (!isCode || this.#codes.has(code)) throw malformed(`the code ${code} in its dictionary`)
            this.#dictionary.set(route, code)
            this.#codes.set(code, route)
        }
        if (!(heartbeat >= 0 && heartbeat <= 86_400)) throw malformed(`heartbeats each ${heartbeat} seconds`)
        this.serializer = serializer
        this.#isGreeted = true
        this.#socket.send(encodePacket("ack"))
        clearTimeout(this.#timer)
        if (heartbeat > 0) this.#waitToBeat(heartbeat * 1000)
        this.#client.opened()
    }

    // MARK: Heartbeats

    #waitToBeat(interval) { this.#timer = setTimeout(() => this.#beat(interval), interval) }

    // Beats are counted and not seconds: browsers run the timers of hidden tabs late.
    #beat(interval) {
        if (this.#silentBeats === 2) {
            return this.#end(reason("lost", `the server was silent for more than two times ${interval} ms`))
        }
        this.#silentBeats += 1
        this.#socket.send(encodePacket("heartbeat"))
        this.#waitToBeat(interval)
    }

    // MARK: Receiving

    #receive(data) {
        this.#silentBeats = 0
        try {
            if (typeof data === "string") throw malformed("a text where only bytes are sent")
            for (const packet of this.#reader.read(new Uint8Array(data))) this.#put(packet, packet.body.length)
        } catch (error) {
            this.#put({ end: reason("protocol", error.message) }, 0)
        }
    }

    #put(entry, size) {
        this.#inbox.push({ ...entry, size })
        this.#inboxBytes += size
        if (!this.#isBusy) return void this.#work()
        const { queuedMessages, queuedBytes } = this.#options
        if (this.#inbox.length > queuedMessages || this.#inboxBytes > queuedBytes) {
            this.#end(reason("queue-full", "messages came faster than they could be inflated; turn compression off at"
                + " the server, or raise queuedMessages and queuedBytes"))
        }
    }

    // At once as long as nothing must be inflated.
    async #work() {
        this.#isBusy = true
        try {
            while (this.#socket && this.#inbox.length > 0) {
                const entry = this.#inbox.shift()
                this.#inboxBytes -= entry.size
                const later = entry.end ? this.#end(entry.end) : this.#take(entry)
                if (later) await later
            }
        } catch (error) {
            if (this.#socket) this.#end(reason("protocol", error.message))
        }
        this.#isBusy = false
    }

    // A promise when there is something to wait for.
    #take({ type, body }) {
        if (this.#isGreeted && type !== "handshake") this.#client.heard()
        switch (type) {
            case "heartbeat": return
            case "kick": return this.#end(reason("kicked", "the server told this client to leave"))
            case "handshake":
                if (this.#isGreeted) throw malformed("a second answer to the handshake")
                return this.#greeted(body)
            case "data": {
                if (!this.#isGreeted) throw malformed("a message before its answer to the handshake")
                const message = decodeMessage(body, this.#codes)
                if (message.type === "request" || message.type === "notify") throw malformed(`a ${message.type}`)
                return message.isCompressed ? this.#inflate(message) : this.#client.message(message)
            }
            default: throw malformed(`a packet that only clients send: ${type}`)
        }
    }

    async #inflate(message) {
        const body = await inflate(message.body, this.#options.maxInflated)
        if (this.#socket) this.#client.message({ ...message, body })
    }
}

// MARK: The client

const defaults = {
    user: {},
    sys: {},
    serializer: json,
    connectTimeout: 10_000,
    requestTimeout: 10_000,
    maxPacket: 4 << 20,
    maxInflated: 4 << 20,
    maxRequests: 1024,
    maxBuffered: 8 << 20,
    queuedMessages: 65_536,
    queuedBytes: 16 << 20,
    reconnect: { attempts: 30, delay: 500, maxDelay: 30_000 },
}

/** A client of an application server. */
export class AppClient {
    /** Called with "open", "reconnecting" or "closed", and a reason, when that changes. */
    onstatechange = null
    /** Resolves with the reason, `{ code, message }`, when the server is gone for good. It never rejects. */
    closed

    #url
    #options
    #state = "connecting"
    #wire
    // Requests under way, by their ids.
    #requests = new Map()
    #lastID = 0
    // Functions for pushes, by their routes.
    #handlers = new Map()
    #failures = 0
    #timer
    #settleFirst
    #resolveClosed

    /** Resolves when the server has let this client in. Rejects when it does not: only later losses are mended. */
    static async connect(url, options = {}) {
        const client = new AppClient(url, checked(options))
        return new Promise((resolve, reject) => {
            client.#settleFirst = (error) => error ? reject(error) : resolve(client)
            client.#open()
        })
    }

    constructor(url, options) {
        this.#url = url
        this.#options = options
        this.closed = new Promise((resolve) => { this.#resolveClosed = resolve })
    }

    /** "connecting", "open", "reconnecting" or "closed". */
    get state() { return this.#state }

    /** Calls the function with each message that is pushed to a route. Returns a function that ends this. */
    on(route, handler) {
        if (!this.#handlers.has(route)) this.#handlers.set(route, new Set())
        const handlers = this.#handlers.get(route).add(handler)
        return () => { handlers.delete(handler) }
    }

    /** Asks, and resolves with the answer. Rejects with an AppError that the server gives, or with a ClientError. */
    async request(route, value, { timeout = this.#options.requestTimeout } = {}) {
        if (this.#requests.size >= this.#options.maxRequests) {
            throw new ClientError("too-many", "too many requests wait for answers; await some, or raise maxRequests")
        }
        const id = this.#lastID += 1
        this.#send({ type: "request", id, route }, value)
        return new Promise((resolve, reject) => {
            const timer = setTimeout(() => {
                this.#requests.delete(id) // An answer that comes later finds nobody.
                reject(new ClientError("timeout", `${route} was not answered within ${timeout} ms`))
            }, timeout)
            this.#requests.set(id, { route, resolve, reject, timer })
        })
    }

    /** Says something that is not answered. Throws when it cannot be sent. */
    notify(route, value) { this.#send({ type: "notify", route }, value) }

    /** Bytes that wait to be sent. */
    get bufferedAmount() { return this.#wire.waiting }

    /** Waits until there is room to send. Rejects when there is no connection any more. */
    async drained() {
        // WebSocket has no event for this.
        while (this.#state === "open" && this.#wire.waiting > this.#options.maxBuffered / 4) {
            await new Promise((resolve) => setTimeout(resolve, 5))
        }
        this.#mustBeOpen()
    }

    /** Ends everything. What was sent before is still sent. */
    close() {
        if (this.#state === "closed") return
        clearTimeout(this.#timer)
        this.#wire.leave(1000, "")
        this.#end(reason("closed", "this side closed it"))
    }

    // MARK: The connection

    #open() {
        this.#wire = new Wire(this.#url, this.#options, {
            opened: () => this.#opened(),
            heard: () => { this.#failures = 0 }, // It is an app, and it works.
            message: (message) => this.#arrived(message),
            ended: (why) => this.#lost(why),
        })
        this.#wire.open()
    }

    #opened() {
        this.#setState("open", reason("open", "connected"))
        this.#settleFirst()
    }

    #lost(why) {
        const { reconnect } = this.#options
        const isOver = this.#state === "connecting" || isFinal(why)
        if (isOver || !reconnect || this.#failures >= reconnect.attempts) return this.#end(why)
        this.#failAll(why)
        this.#setState("reconnecting", why)
        if (this.#state !== "reconnecting") return // A callback has closed it.
        // Anything from nothing to the whole: browsers that were cut off together do not come back together.
        const delay = Math.random() * Math.min(reconnect.maxDelay, reconnect.delay * 2 ** this.#failures)
        this.#failures += 1
        this.#timer = setTimeout(() => this.#open(), delay)
    }

    #end(why) {
        const isFirst = this.#state === "connecting"
        this.#failAll(why)
        this.#setState("closed", why)
        this.#resolveClosed(why)
        if (isFirst) this.#settleFirst(new ClientError(why.code, why.message))
    }

    #failAll(why) {
        const requests = [...this.#requests.values()]
        this.#requests.clear()
        for (const { route, reject, timer } of requests) {
            clearTimeout(timer)
            reject(new ClientError(why.code, `${route} was not answered, and may have been done: ${why.message}`))
        }
    }

    #setState(state, why) {
        if (this.#state === state) return
        this.#state = state
        if (this.onstatechange) call(this.onstatechange, state, why)
    }

    #mustBeOpen() {
        if (this.#state === "closed") throw new ClientError("closed", "this client is closed; connect again")
        if (this.#state !== "open") throw new ClientError("lost", `there is no connection; wait for the state "open"`)
    }

    // MARK: Messages

    #send(message, value) {
        const { serializer, maxPacket, maxBuffered } = this.#options
        if (typeof message.route !== "string" || message.route === "") {
            throw new TypeError("a route is a text such as \"room.join\"")
        }
        this.#mustBeOpen()
        const isBody = value instanceof Uint8Array
        const body = value === undefined ? new Uint8Array(0) : isBody ? value : serializer.encode(value)
        if (!(body instanceof Uint8Array)) throw new TypeError("the serializer makes no Uint8Array of this value")
        const size = body.length + mostHead
        if (size > maxPacket) {
            throw new ClientError("too-large", `a body of ${body.length} bytes; at most ${maxPacket - mostHead} go at a`
                + " time: send it in pieces, or raise maxPacket here and maxPacketSize at the server")
        }
        if (this.#wire.waiting + size > maxBuffered) {
            throw new ClientError("buffer-full", `${this.#wire.waiting} bytes wait to be sent; await drained() before`
                + " you send more")
        }
        this.#wire.send({ ...message, body })
    }

    #arrived(message) {
        if (message.type === "push") return this.#pushed(message)
        const request = this.#requests.get(message.id)
        if (!request) return // It came after its deadline.
        this.#requests.delete(message.id)
        clearTimeout(request.timer)
        const { decodeError: decodeTheirs } = this.#options.serializer
        try {
            if (!message.isError) request.resolve(this.#value(message.body))
            else if (decodeTheirs) request.reject(decodeTheirs(message.body))
            else request.reject(decodeError(message.body, this.#wire.serializer))
        } catch (error) {
            request.reject(unreadable(request.route, error))
        }
    }

    #pushed({ route, body }) {
        const handlers = this.#handlers.get(route)
        if (!handlers || handlers.size === 0) return
        call(() => {
            let value
            try {
                value = this.#value(body)
            } catch (error) {
                throw unreadable(route, error)
            }
            for (const handler of [...handlers]) call(handler, value)
        })
    }

    #value(body) { return body.length === 0 ? undefined : this.#options.serializer.decode(body) }
}

const unreadable = (route, error) =>
    new ClientError("unreadable", `the serializer cannot read what ${route} brought: ${error.message}`)

// The most that stands in front of a body: flag, id, route.
const mostHead = 1 + 10 + 256

// An application's mistake is reported like that of any event handler; it does not stop the reading of messages.
function call(handler, ...values) {
    try {
        handler(...values)
    } catch (error) {
        if (globalThis.reportError) reportError(error)
        else queueMicrotask(() => { throw error })
    }
}

// The options with what was not given. What cannot work is said now.
function checked(options) {
    const all = { ...defaults }
    for (const [name, value] of Object.entries(options)) {
        if (!Object.hasOwn(defaults, name)) {
            throw new TypeError(`there is no option ${name}; there are ${Object.keys(defaults).join(", ")}`)
        }
        if (value !== undefined) all[name] = value
    }
    if (typeof all.serializer?.encode !== "function" || typeof all.serializer?.decode !== "function") {
        throw new TypeError("a serializer has the functions encode and decode")
    }
    all.reconnect = all.reconnect ? { ...defaults.reconnect, ...all.reconnect } : false
    const { user, sys, serializer, reconnect, ...numbers } = { ...all, ...all.reconnect }
    for (const [name, value] of Object.entries(numbers)) {
        // A timer of a longer time fires at once.
        const most = /Timeout|delay/i.test(name) ? 2 ** 31 - 1 : Infinity
        if (!(value >= 0 && value <= most)) throw new RangeError(`${name} is a number from 0 to ${most}, not ${value}`)
    }
    if (all.maxPacket <= mostHead || all.maxPacket > mostBody) {
        throw new RangeError(`maxPacket is a number from ${mostHead + 1} to ${mostBody}`)
    }
    if (all.maxBuffered < 2 * all.maxPacket) throw new RangeError("maxBuffered is twice maxPacket at least")
    return all
}
