import OmniwayTesting
@testable import OmniwayTransport
import Testing

/// A driver that notes the kind of each message that it sends.
private final class KindDriver: LinkDriver {
    var sent: [MessageKind] = []
    func send(_ bytes: RawSpan, endOfMessage: Bool, for link: Link) -> Int {
        sent.append(link.sendingKind)
        return bytes.byteCount
    }
    func setReading(_ isReading: Bool, for link: Link) {}
    func finish(_ link: Link) {}
    func close(_ reason: CloseReason, rest: RawSpan, for link: Link) {}
}

@Suite struct MessageKindTests {
    let world = SimulatedWorld()

    @Test func `each message is sent as what it was when it began`() async throws {
        let sent = await world.first.run { loop -> [MessageKind] in
            let driver = KindDriver()
            let link = Link(
                on: loop, traits: LinkTraits(keepsMessages: true), driver: driver, handler: Recorder())
            link?.opened()
            link?.write([1])
            link?.outgoingKind = .text
            link?.write([2], endOfMessage: false)
            link?.outgoingKind = .binary
            link?.write([3])
            link?.write([4])
            loop.settle()
            return driver.sent
        }
        #expect(sent == [.binary, .text, .binary])
    }

    @Test func `a message keeps its kind while nobody reads`() async throws {
        let received = await world.first.run { loop -> [MessageKind] in
            var kinds: [MessageKind] = []
            let recorder = Recorder()
            recorder.then = { event, link in if case .message = event { kinds.append(link.incomingKind) } }
            let link = Link(
                on: loop, traits: LinkTraits(keepsMessages: true), driver: KindDriver(), handler: recorder)
            link?.opened()
            link?.pauseReading()
            for (index, kind) in [MessageKind.text, .binary, .text].enumerated() {
                link?.incomingKind = kind
                let byte = [UInt8(index)]
                unsafe byte.withUnsafeBytes { unsafe link?.deliver(RawSpan(_unsafeBytes: $0), endOfMessage: true) }
            }
            link?.resumeReading()
            loop.settle()
            return kinds
        }
        #expect(received == [.text, .binary, .text])
    }
}
