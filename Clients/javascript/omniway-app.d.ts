/** What a server answers instead of a result. The codes that begin with `PIT-` are the protocol's. */
export class AppError extends Error {
    constructor(code: string, message: string, metadata?: Record<string, string>)
    readonly name: "AppError"
    readonly code: string
    readonly metadata: Readonly<Record<string, string>>
}

/** The word for programs in reasons, and in errors that are not the server's. */
export type Code =
    /** This side closed it. */
    | "closed"
    /** The server told this client to leave. It is not connected to again. */
    | "kicked"
    /** The server ended the connection, or is silent. */
    | "lost"
    /** What came is not the protocol, or not within its limits. */
    | "protocol"
    /** More has come than could be inflated in time. */
    | "queue-full"
    /** The server did not like what it was told in the handshake. */
    | "refused"
    /** The serializer is not the server's. */
    | "serializer"
    /** There was no answer in time. */
    | "timeout"
    /** The server could not be connected to. */
    | "unreachable"
    /** `maxRequests` requests wait for their answers. */
    | "too-many"
    /** A body does not fit a packet. */
    | "too-large"
    /** `maxBuffered` bytes wait to be sent. */
    | "buffer-full"
    /** The serializer cannot read what came. */
    | "unreadable"
    /** The server is connected (again). */
    | "open"

/** Why something is as it is: a word for programs, a sentence for people. */
export interface Reason {
    readonly code: Code
    readonly message: string
}

/** What kept a message from the server, or its answer from us. */
export class ClientError extends Error implements Reason {
    constructor(code: Code, message: string)
    readonly name: "ClientError"
    readonly code: Code
}

/** How values become bodies, and back. A `Uint8Array` that is sent is a body already, and no body is `undefined`. */
export interface Serializer {
    /** Compared with what the server says in the handshake, if it says something. */
    readonly name?: string
    encode(value: any): Uint8Array
    decode(body: Uint8Array): any
    /** Without it errors are read as protobuf where the server speaks that, and else as JSON. */
    decodeError?(body: Uint8Array): AppError
}

/** Bodies that are JSON. */
export const json: Serializer
/** Bodies as they are, for whoever reads them otherwise. */
export const bytes: Serializer

export interface AppOptions {
    /** The application's own part of the handshake: a token, a language. A function is asked for each connection. */
    user?: object | (() => object | Promise<object>)
    /** What this client says about itself. */
    sys?: { platform?: string, libVersion?: string, clientBuildNumber?: string, clientVersion?: string }
    /** `json` unless told otherwise. */
    serializer?: Serializer
    /** How long connecting may take, the handshake included, in ms. 10000. */
    connectTimeout?: number
    /** How long an answer may take, in ms. 10000. */
    requestTimeout?: number
    /** Most bytes of a packet, both ways; what is sent also has to fit the server's `maxPacketSize`. 4 MiB. */
    maxPacket?: number
    /** Most bytes that a compressed body may become. 4 MiB. */
    maxInflated?: number
    /** Most requests under way. 1024. */
    maxRequests?: number
    /** Most bytes that wait to be sent. 8 MiB. */
    maxBuffered?: number
    /** Most messages that wait for one before them to be inflated. 65536. */
    queuedMessages?: number
    /** Most bytes of these. 16 MiB. */
    queuedBytes?: number
    /** How a server that was lost is connected to again; false does not. */
    reconnect?: false | {
        /** After so many failures in a row the client is closed. 30. */
        attempts?: number
        /** The first attempt comes within so many ms; each next one may take twice as long. 500. */
        delay?: number
        /** No attempt waits longer, in ms. 30000. */
        maxDelay?: number
    }
}

/** A client of an application server. */
export class AppClient {
    private constructor()
    /** Resolves when the server has let this client in. Rejects when it does not: only later losses are mended. */
    static connect(url: string | URL, options?: AppOptions): Promise<AppClient>

    readonly state: "connecting" | "open" | "reconnecting" | "closed"
    /** Called when `state` changes. A session that is open again is new: enter the rooms again. */
    onstatechange: ((state: AppClient["state"], reason: Reason) => void) | null

    /** Asks, and resolves with the answer. Rejects with an `AppError` that the server gives, or with a `ClientError`. */
    request<Answer = any>(route: string, value?: any, options?: { timeout?: number }): Promise<Answer>
    /** Says something that is not answered. Throws a `ClientError` when it cannot be sent. */
    notify(route: string, value?: any): void
    /** Calls the function with each message that is pushed to a route. Returns a function that ends this. */
    on<Message = any>(route: string, handler: (message: Message) => void): () => void

    /** Bytes that wait to be sent. */
    readonly bufferedAmount: number
    /** Waits until there is room to send. Rejects when there is no connection any more. */
    drained(): Promise<void>

    /** Ends everything. What was sent before is still sent. */
    close(): void
    /** Resolves when the server is gone for good. It never rejects. */
    readonly closed: Promise<Reason>
}

// MARK: The protocol as bytes, for tools and tests

export interface Packet {
    type: "handshake" | "ack" | "heartbeat" | "data" | "kick"
    body: Uint8Array
}

export function encodePacket(type: Packet["type"], body?: Uint8Array): Uint8Array

/** Finds packets in bytes, wherever these are cut. */
export class PacketReader {
    constructor(maxPacket?: number)
    /** The packets that are whole now; the rest waits for the next call. Throws a ClientError. */
    read(bytes: Uint8Array): Generator<Packet, void, void>
}

export interface Message {
    type: "request" | "notify" | "response" | "push"
    /** Zero where there is none. */
    id: number
    /** Empty where there is none. */
    route: string
    isError: boolean
    isCompressed: boolean
    body: Uint8Array
}

export function encodeMessage(
    message: { type: "request" | "notify", id?: number, route: string, body: Uint8Array },
    dictionary?: Map<string, number>): Uint8Array
/** Throws a ClientError for what is no message. */
export function decodeMessage(bytes: Uint8Array, codes?: Map<number, string>): Message
/** What a body was before it was compressed. Rejects with a ClientError when that is more than so many bytes. */
export function inflate(bytes: Uint8Array, most: number, format?: "deflate" | "gzip"): Promise<Uint8Array>
/** The error that a body tells, by the name of the server's serializer. */
export function decodeError(body: Uint8Array, serializer?: string): AppError
