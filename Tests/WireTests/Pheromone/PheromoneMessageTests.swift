import OmniwayTesting
import Testing

@testable import OmniwayWire

@Suite struct PheromoneMessageTests {
    private struct Recorded: Decodable {
        struct Message: Decodable {
            let from: String
            let utf8: String
            let len: Int
        }
        let messages: [Message]
    }

    @Test func `the eight messages of a session are read and written byte for byte`() throws {
        let recorded = try Vectors.decode(Recorded.self, from: "mesh-messages").messages
        #expect(recorded.count == 8)
        var asked: PheromoneOperation?
        for one in recorded {
            let message = try PheromoneMessage(Array(one.utf8.utf8))
            #expect(message.bytes == Array(one.utf8.utf8))
            #expect(message.bytes.count == one.len)
            #expect(message.name == (one.from == "caller" ? "luda" : one.from))
            if let asked { #expect(message.operation == asked.answer) }
            asked = message.operation
        }
        #expect(asked == .noticeResponse)
        #expect(asked?.answer == nil)
    }

    @Test(arguments: [("mesh-short", 60), ("mesh-long", 80)])
    func `every recorded message is read and written byte for byte`(_ file: String, _ count: Int) throws {
        let messages = try RecordedConversations.messages(file)
        #expect(messages.count == count)
        for text in messages { #expect(try PheromoneMessage(Array(text.utf8)).bytes == Array(text.utf8), "\(text)") }
    }

    @Test func `the greeting tells an address under the key add`() throws {
        let greeting = PheromoneGreeting(address: "127.0.0.1:23004", account: 11900)
        #expect(String(decoding: greeting.bytes, as: UTF8.self) == #"{"add":"127.0.0.1:23004","account":11900}"#)
        #expect(try PheromoneGreeting(greeting.bytes) == greeting)
        #expect(
            String(decoding: PheromoneMessage.greeting(from: "luda", greeting).bytes, as: UTF8.self)
                == #"{"name":"luda","operation":"connectreq","data":"eyJhZGQiOiIxMjcuMC4wLjE6MjMwMDQiLCJhY2NvdW50"#
                + #"IjoxMTkwMH0="}"#)
    }

    /// All 104 cases; what we do differently is listed.
    @Test(arguments: try RecordedHandling.load())
    func `makes of each input what the original made of it`(_ recorded: RecordedHandling.Case) throws {
        var reply: String?
        var error = 0
        var routes: [String] = []
        do throws(MeshError) {
            let message = try PheromoneMessage(Array(recorded.input.utf8))
            func answer(_ operation: PheromoneOperation) {
                let message = PheromoneMessage(name: recorded.hostName, operation: operation)
                reply = String(decoding: message.bytes, as: UTF8.self)
            }
            switch try PheromoneReaction(to: message) {
            case .greeted(let greeting):
                if !greeting.address.isEmpty { routes = ["\(message.name)=\(greeting.address)"] }
                answer(.connectResponse)
            case .answer(let operation): answer(operation)
            case .unknown: answer(.unknown)
            case .ends: break
            case .notUnderstood:
                #expect(recorded.id == "unknownop", "the original answers it, and so never comes to an end")
                answer(.unknown)
            }
        } catch let mistake { error = mistake.number ?? -1 }
        // 3102 is what 3202 should have been. With 3101 the original makes a reply that it never sends.
        #expect(error == (recorded.error == 3202 ? 3102 : recorded.error))
        if recorded.error == 3101 {
            #expect(reply == nil)
        } else if recorded.id == "hostname-626164ff" {
            // A name that is no text cannot be in a Swift program; the reader of JSON makes the same of it.
            #expect(reply?.contains("bad\u{fffd}") == true)
        } else {
            #expect(reply == recorded.reply)
        }
        if recorded.mode == "short" { #expect(routes == recorded.routes) }
    }

    @Test(
        arguments: [
            (#""aGVsbG8=""#, "hello"), (#""aGVs\r\nbG8=""#, "hello"), (#""aGVsbG9=""#, "hello"), (#""""#, ""),
            ("null", ""), ("[104,105]", "hi"), ("[]", ""), ("[104,null]", "h\0"), (#""aB==""#, "h"),
        ] as [(String, String)])
    func `data is read as Go reads it`(_ data: String, _ text: String) throws {
        let message = try PheromoneMessage(Array(#"{"name":"a","operation":"getreq","data":\#(data)}"#.utf8))
        #expect(message.data == Array(text.utf8))
    }

    @Test(arguments: [
        #""aGVsbG8""#, #""-_-_""#, #""====""#, #""aGVsbG8= ""#, #""a===""#, "[256]", "[-1]", "[1.5]", #"["1"]"#, "true",
    ])
    func `data that Go refuses is refused`(_ data: String) {
        #expect(throws: MeshError.self) {
            try PheromoneMessage(Array(#"{"name":"a","operation":"getreq","data":\#(data)}"#.utf8))
        }
    }

    @Test func `a deeply nested message is refused, and one of 64 levels is not`() throws {
        func nested(_ depth: Int) -> [UInt8] {
            let arrays = String(repeating: "[", count: depth - 1) + String(repeating: "]", count: depth - 1)
            return Array(#"{"operation":"getreq","x":\#(arrays)}"#.utf8)
        }
        #expect(try PheromoneMessage(nested(64)).operation == .getRequest)
        #expect(throws: MeshError.self) { try PheromoneMessage(nested(65)) }
    }

    @Test func `10,240 bytes can be sent and one more cannot`() throws {
        var message = PheromoneMessage(name: "luda", operation: .getRequest)
        message.data = [UInt8](repeating: 7, count: 7_641)
        let missing = 10_240 - message.bytes.count
        message.name += String(repeating: "a", count: missing)
        #expect(try message.bytesToSend().count == 10_240)
        message.name += "a"
        #expect(throws: MeshError.messageTooLarge(bytes: 10_241)) { try message.bytesToSend() }
    }

    private struct Numbers: Decodable {
        struct Number: Decodable { let code: Int }
        let errors: [Number]
    }

    @Test func `every number of the original is an error, and says what to do`() throws {
        let numbers = try Vectors.decode(Numbers.self, from: "mesh-errors").errors.map(\.code)
        #expect(numbers.count == 10)
        for number in numbers {
            let error = try #require(MeshError(number: number, "x"))
            #expect(error.number == (number == 3202 ? 3102 : number))
            #expect(error.description.contains("\(error.number ?? 0)"))
        }
        #expect(MeshError(number: 1) == nil)
        for error in [MeshError.messageTooLarge(bytes: 10_241), .queueFull(3), .tooManyRoutes(3), .closed] {
            #expect(error.number == nil)
        }
    }
}
