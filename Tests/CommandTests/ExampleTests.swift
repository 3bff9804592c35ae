import BrowserSupport
import OmniwayTesting
import Omniway
import OmniwayTransport
import Testing

@Suite(.timeLimit(.minutes(2))) struct ExampleTests {
    @Test func `the echo example echoes, directly and through its relay`() async throws {
        let example = try await TestProgram([BuiltProduct.path("EchoExample")]) { $0.contains("listening") }
        let line = try #require(await example.lines.first { $0.contains("listening") })
        for name in ["echo", "relay"] {
            let field = try #require(line.split(separator: " ").first { $0.hasPrefix("\(name)=") })
            let address = try #require(SocketAddress(String(field.dropFirst(name.count + 1))))
            #expect(try PlainClient(address).ask("through \(name)") == "through \(name)")
        }
        await example.stop()
    }

    @Test func `the web example serves a page, an answer and a WebSocket, with and without TLS`() async throws {
        let example = try await TestProgram([BuiltProduct.path("WebExample")]) { $0.contains("listening") }
        let line = try #require(await example.lines.first { $0.contains("listening") })
        let loop = EventLoop()
        for scheme in ["http", "https"] {
            let field = try #require(line.split(separator: " ").first { $0.hasPrefix("\(scheme)=") })
            let address = try #require(SocketAddress(String(field.dropFirst(scheme.count + 1))))
            let socket = StreamDialer(address)
            if scheme == "http" {
                try await visit(socket, on: loop)
            } else {
                try await visit(try TLSClient(host: "localhost", trust: .pinned(by: TLSPins())).over(socket), on: loop)
            }
        }
        await loop.shutdown()
        await example.stop()
    }

    @Test func `the gateway example's player is answered by a server without a port`() async throws {
        let example = try await TestProgram([BuiltProduct.path("GatewayExample")]) { $0 == "you said: hello" }
        await example.stop()
    }

    @Test func `pages of the chat example hear each other through its gateway`() async throws {
        let example = try await TestProgram([BuiltProduct.path("ChatExample")]) { $0.hasPrefix("http://") }
        let url = try #require(await example.lines.first { $0.hasPrefix("http://") })
        let loop = EventLoop()
        let browser = try await Chromium(on: loop)
        // The second page is a frame within the first; what it says must be heard in both.
        let heard = try await browser.result(
            of: """
                (async () => {
                    const list = (page) => page.querySelector("#heard")?.textContent ?? ""
                    const until = async (isTrue) => {
                        while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 10))
                    }
                    const isThere = (page) => page.querySelector("#state")?.textContent.startsWith("connected")
                    await until(() => isThere(document))
                    const frame = document.createElement("iframe")
                    frame.src = location.href
                    document.body.append(frame)
                    await until(() => frame.contentDocument && isThere(frame.contentDocument))
                    const other = frame.contentDocument
                    other.querySelector("#words").value = "hello from the frame"
                    other.querySelector("form").requestSubmit()
                    await until(() => list(document) && list(other))
                    return list(document) + " | " + list(other)
                })()
                """, at: url)
        #expect(heard == "hello from the frame | hello from the frame")
        await browser.close()
        await loop.shutdown()
        await example.stop()
    }

    @Test func `pages of the room example join, hear each other, and see who leaves`() async throws {
        let example = try await TestProgram([BuiltProduct.path("RoomExample")]) { $0.hasPrefix("http://") }
        let url = try #require(await example.lines.first { $0.hasPrefix("http://") })
        let loop = EventLoop()
        let browser = try await Chromium(on: loop)
        // The second page is a frame within the first.
        let heard = try await browser.result(
            of: """
                (async () => {
                    const seen = []
                    const until = async (isTrue) => {
                        while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 10))
                    }
                    const says = (page, id, words) => until(() => page.getElementById(id)?.textContent.includes(words))
                    const fill = (page, form, words) => {
                        page.querySelector(`#${form} input`).value = words
                        page.forms[form].requestSubmit()
                    }
                    const parts = ["members", "heard"]
                    const see = (page) => seen.push(parts.map((id) => page.getElementById(id).textContent))
                    await says(document, "state", "who are you")
                    fill(document, "join", "Anna")
                    await says(document, "members", "Anna")
                    const frame = document.createElement("iframe")
                    frame.src = location.href
                    document.body.append(frame)
                    await until(() => frame.contentDocument?.forms.join)
                    const other = frame.contentDocument
                    await says(other, "state", "who are you")
                    fill(other, "join", "Anna")
                    await says(other, "state", "Anna is here already")
                    fill(other, "join", "Bert")
                    await says(document, "members", "Bert")
                    await says(other, "state", "you are Bert")
                    fill(other, "say", "hello from the frame")
                    await says(document, "heard", "frame")
                    fill(document, "say", "and back")
                    await says(other, "heard", "back")
                    see(document)
                    see(other)
                    frame.remove()
                    await until(() => document.getElementById("members").textContent === "Anna")
                    return seen
                })()
                """, at: url)
        let both: JSON = ["Anna, Bert", "Bert: hello from the frameAnna: and back"]
        #expect(heard == [both, both])
        await browser.close()
        await loop.shutdown()
        await example.stop()
    }

    @Test func `JSON goes out and comes back as what it was`() throws {
        struct Move: Codable, Equatable {
            let name: String
            let x: Double
        }
        let format = JSONFormat<Move>()
        let move = Move(name: "Anna", x: 1.5)
        #expect(try format.decode(format.encode(move)) == move)
        #expect(try format.decode(Array(#"{"x": 1.5, "name": "Anna"}"#.utf8)) == move)
        #expect(throws: (any Error).self) { try format.decode([1, 2]) }
    }

    private func visit(_ dialer: some Dialer, on loop: EventLoop) async throws {
        let client = await loop.own { loop in HTTPClient(on: loop, dialer, host: "localhost") }
        #expect(try await client.get("/").text.contains("It works."))
        #expect(try await client.get("/hello/World").text == "Hello, World!\n")
        let (answers, answered) = AsyncStream.makeStream(of: String.self)
        await loop.run { loop in
            let talk = WebSocket(path: "/talk", compression: .on()).over(dialer)
            _ = talk.dial(on: loop, deadline: .seconds(10), handler: Talker("how are you?", answered))
        }
        for await answer in answers { return #expect(answer == "how are you?") }
    }
}

/// Says one thing and hears the answer.
private final class Talker: LinkHandler {
    private let words: String
    private let answered: AsyncStream<String>.Continuation
    init(_ words: String, _ answered: AsyncStream<String>.Continuation) {
        (self.words, self.answered) = (words, answered)
    }

    func opened(_ link: Link) {
        link.outgoingKind = .text
        link.write(Array(words.utf8))
    }
    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        answered.yield(unsafe bytes.withUnsafeBytes { unsafe String(decoding: $0, as: UTF8.self) })
        link.close(.done)
        return bytes.byteCount
    }
    func closed(_ link: Link, _ reason: CloseReason) { answered.yield("closed: \(reason)") }
}
