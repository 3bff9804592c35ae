import Glibc
import OmniwayTelemetry
import OmniwayTransport

/// The process whose place this one takes, seen from here. It has given its listening sockets, on which this process
/// accepts nobody before `takePlace`.
public final class Predecessor: Sendable {
    static let variable = "OMNIWAY_PREDECESSOR"

    private let line: HandoverLine

    /// Nil for a process that takes nobody's place. Before anything is opened: it waits for all sockets.
    public init?(_ environment: [String: String]) {
        guard let number = environment[Self.variable].flatMap({ Int32($0) }), number > 2,
            let line = HandoverLine(OwnedDescriptor(number))
        else { return nil }
        self.line = line
        ListeningSockets.shared.hold()
        while let (message, number) = next(), message.word != .begin {
            guard let number else { continue }
            take(message, OwnedDescriptor(number))
        }
    }

    private func take(_ message: HandoverMessage, _ descriptor: consuming OwnedDescriptor) {
        switch message.word {
        case .socket:
            guard message.words.count == 3 else { return }
            let name = String(decoding: message.body, as: UTF8.self)
            ListeningSockets.shared.give(
                descriptor, asked: SocketAddress(message.words[2]) ?? .none, name: name.isEmpty ? nil : name,
                isOthers: message.words[1] == "others")
        case .line: if let line = HandoverLine(descriptor) { SnetReturns.shared.add(line) }
        case .begin, .ready, .go, .resume, nil: break
        }
    }

    /// Nil when the other process has ended.
    private func next() -> (message: HandoverMessage, descriptor: Int32?)? {
        do throws(SystemError) { return try line.receive() } catch {
            Log.shared.error("the process before this one cannot be heard", ["error": "\(error)"])
            return nil
        }
    }

    /// Tells it that this process could accept, waits until it has stopped, and accepts. One that has ended meanwhile
    /// has stopped too.
    public func takePlace() async {
        do throws(SystemError) { try line.send(HandoverMessage(.ready)) } catch {
            Log.shared.warning("the process before this one is gone", ["error": "\(error)"])
        }
        _ = await HelperPool.shared.run { [self] in
            while let (message, number) = next() {
                if let number { close(number) }
                if message.word == .go { return }
            }
        }
        SnetReturns.shared.add(line)
        await ListeningSockets.shared.goOn()
    }
}
