import Testing

@testable import OmniwayWire

@Suite struct WebSocketNegotiationTests {
    private let small = WebSocketDeflate.Wish(windowBits: 15, keepsContext: false)
    private let large = WebSocketDeflate.Wish(windowBits: 12, keepsContext: true)

    @Test func `a plain offer is answered with what this side wants`() {
        #expect(
            WebSocketDeflate.accept(["permessage-deflate"], small)?.answer
                == "permessage-deflate; server_no_context_takeover; client_no_context_takeover")
        #expect(
            WebSocketDeflate.accept(["permessage-deflate"], large)?.answer
                == "permessage-deflate; server_max_window_bits=12")
    }

    @Test(arguments: [
        ("permessage-deflate; client_max_window_bits", "server_max_window_bits=12; client_max_window_bits=12", 12, 12),
        (
            "permessage-deflate; client_max_window_bits=10", "server_max_window_bits=12; client_max_window_bits=10",
            12, 10
        ),
        ("permessage-deflate ;\tserver_max_window_bits=\"9\"", "server_max_window_bits=9", 9, 15),
        ("permessage-deflate; server_max_window_bits=8", "server_max_window_bits=8", 8, 15),
    ])
    func `windows shrink to what both can`(_ offer: String, _ answer: String, _ server: Int, _ client: Int) throws {
        let accepted = try #require(WebSocketDeflate.accept([offer], large))
        #expect(accepted.answer == "permessage-deflate; " + answer)
        #expect(accepted.agreed.server == .init(windowBits: server, keepsContext: true))
        #expect(accepted.agreed.client == .init(windowBits: client, keepsContext: true))
    }

    @Test func `a side that forgets is believed`() throws {
        let offer = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
        let agreed = try #require(WebSocketDeflate.accept([offer], large)?.agreed)
        #expect(!agreed.server.keepsContext && !agreed.client.keepsContext)
    }

    @Test(arguments: [
        "x-webkit-deflate-frame", "permessage-deflate; unknown", "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=7", "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; server_max_window_bits=09", "permessage-deflate; client_max_window_bits=0",
        "permessage-deflate; server_no_context_takeover=1", "permessage-deflate; client_max_window_bits=",
        "permessage-deflate; client_max_window_bits; client_max_window_bits", "permessage-deflate;", ";", "",
        "permessage-deflate; server_max_window_bits=\"1\"0", "permessage-deflate; client_max_window_bits=\"",
    ])
    func `an offer that is not understood is passed over`(_ offer: String) {
        #expect(WebSocketDeflate.accept([offer], large) == nil)
        #expect(WebSocketDeflate.accept([offer, "permessage-deflate"], large) != nil)
    }

    @Test(arguments: [false, true], [9, 12, 15]) func `both ends of the protocol agree`(_ keeps: Bool, _ bits: Int)
        throws
    {
        let wish = WebSocketDeflate.Wish(windowBits: bits, keepsContext: keeps)
        for other in [small, large, wish] {
            let accepted = try #require(WebSocketDeflate.accept([WebSocketDeflate.offer(wish)], other))
            #expect(WebSocketDeflate(answer: accepted.answer, to: wish) == accepted.agreed)
        }
    }

    @Test(arguments: [
        "permessage-deflate; unknown", "permessage-deflate; client_max_window_bits",
        "permessage-deflate; server_max_window_bits=13", "permessage-deflate", "other",
    ])
    func `an answer that does not fit the offer is refused`(_ answer: String) {
        #expect(WebSocketDeflate(answer: answer, to: large) == nil)
    }

    @Test func `a server must forget when it was asked to`() {
        #expect(WebSocketDeflate(answer: "permessage-deflate; client_no_context_takeover", to: small) == nil)
        #expect(WebSocketDeflate(answer: "permessage-deflate; server_no_context_takeover", to: small) != nil)
    }
}
