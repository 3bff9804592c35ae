import OmniwayTelemetry
import OmniwayWire

/// Streams and the processes that have them. The process that listens gets the requests for all streams; those for
/// streams of the process before it go back there, with their connections, for as long as that one lives.
package final class SnetReturns: Sendable {
    package static let shared = SnetReturns()

    private struct State {
        var servers: [String: SnetServer] = [:]
        /// To the processes before this one, the newest last.
        var lines: [HandoverLine] = []
    }
    private let state = Lock(State())
    private static let mostLines = 16

    package init() {}

    func add(_ server: SnetServer) {
        if let name = server.name { state.withLock { $0.servers[name] = server } }
    }

    var hasPredecessor: Bool { state.withLock { !$0.lines.isEmpty } }

    /// Another process that may have streams, newer than those that are known. Of too many the oldest is forgotten.
    package func add(_ line: HandoverLine) {
        state.withLock { state in
            state.lines.append(line)
            if state.lines.count > Self.mostLines { state.lines.removeFirst() }
        }
    }

    /// The oldest first: the next process gets them too.
    package var lines: [HandoverLine] { state.withLock { $0.lines } }

    // MARK: To the process before

    /// False when nobody takes it.
    func give(
        _ connection: borrowing OwnedDescriptor, for server: SnetServer, _ request: SnetResume, rest: [UInt8],
        of peer: SocketAddress
    ) -> Bool {
        guard let name = server.name else { return false }
        let words = [name, "\(peer)".contains(" ") ? "\(SocketAddress.none)" : "\(peer)"]
        return give(connection, HandoverMessage(.resume, words, request.bytes + rest))
    }

    private func give(_ connection: borrowing OwnedDescriptor, _ message: HandoverMessage) -> Bool {
        // Before its answer nobody has anything to say.
        guard message.bytes.count <= HandoverMessage.mostBytes else { return false }
        while let newest = state.withLock({ $0.lines.last }) {
            do throws(SystemError) {
                try newest.send(message, connection)
                return true
            } catch {
                if error.isBusy { return false }
                Log.shared.info("a process before this one is gone", ["why": "\(error)"])
                state.withLock { state in state.lines.removeAll { $0 === newest } }
            }
        }
        return false
    }

    // MARK: From the process behind

    /// A connection that the next process has got for a stream of this one, or of one before it.
    package func take(_ message: HandoverMessage, _ connection: consuming OwnedDescriptor) {
        guard message.word == .resume, message.words.count == 2, message.body.count >= SnetResume.size,
            let server = state.withLock({ $0.servers[message.words[0]] })
        else { return }
        let request = SnetResume(Array(message.body.prefix(SnetResume.size)))
        if let entry = server.streams.find(request.id), request.isGenuine(key: entry.key) {
            let detached = DetachedLink(
                accepted: connection.release(), peer: SocketAddress(message.words[1]) ?? .none, admission: nil,
                unread: Array(message.body.dropFirst(SnetResume.size)))
            entry.home.door.post(SnetArrival(detached: detached, request: request))
        } else if !give(connection, message) {
            let refusal = SnetServerHandshake.refusal(server.settings.dialect)
            connection.sendLast(refusal)
        }
    }
}
