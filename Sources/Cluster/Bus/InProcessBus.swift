import OmniwayTelemetry
public import OmniwayTransport
import OmniwayWire

/// A bus within the process, for a cluster of one and for tests. It keeps what a server keeps: order from one loop to
/// another, groups, no-responders, limits. It is never away.
///
/// Subscriptions of whole subjects are found by hashing; those with wildcards are tried one by one.
public final class InProcessBus: Bus {
    /// What each port may hold.
    public let limits: BusLimits
    /// Most bytes of one message and its headers.
    public let maxPayload: Int
    private let table = SubjectTable()
    private let ports = BusPorts()

    public init(limits: BusLimits = BusLimits(), maxPayload: Int = 1 << 20) {
        (self.limits, self.maxPayload) = (limits, maxPayload)
    }

    public func port(on loop: Loop) -> BusPort {
        ports.port(on: loop) {
            BusPort(on: loop, InProcessDriver(table, maxPayload: maxPayload), limits: limits) {
                [ports, unowned loop] in ports.forget(loop)
            }
        }
    }
}

/// What goes to the loop of a subscriber.
enum BusMail: Sendable {
    case message(BusEnvelope, sid: UInt64)
    case flushed(UInt64)
}

/// Who of a process has subscribed to what.
private final class SubjectTable: Sendable {
    struct Entry: Sendable {
        let subject: String
        let group: String?
        let sid: UInt64
        let door: Mailbox<BusMail>
    }
    private struct State {
        var exact: [String: [Entry]] = [:]
        var wild: [Entry] = []
    }
    private let state = Lock(State())

    func add(_ entry: Entry) {
        state.withLock { state in
            if BusSubject.hasWildcard(entry.subject) {
                state.wild.append(entry)
            } else {
                state.exact[entry.subject, default: []].append(entry)
            }
        }
    }

    func remove(_ subject: String, sid: UInt64, of door: Mailbox<BusMail>) {
        state.withLock { state in
            if BusSubject.hasWildcard(subject) {
                state.wild.removeAll { $0.sid == sid && $0.door === door }
            } else {
                state.exact[subject]?.removeAll { $0.sid == sid && $0.door === door }
                if state.exact[subject]?.isEmpty == true { state.exact[subject] = nil }
            }
        }
    }

    /// All without a group, and one of each group: which one, `chance` says.
    func find(_ subject: String, chance: UInt64) -> [Entry] {
        var found = state.withLock { state in
            (state.exact[subject] ?? []) + state.wild.filter { BusSubject.covers($0.subject, subject) }
        }
        guard found.contains(where: { $0.group != nil }) else { return found }
        var groups: [(name: String, members: [Entry])] = []
        for entry in found {
            guard let name = entry.group else { continue }
            if let index = groups.firstIndex(where: { $0.name == name }) {
                groups[index].members.append(entry)
            } else {
                groups.append((name, [entry]))
            }
        }
        found.removeAll { $0.group != nil }
        return found + groups.map { $0.members[Int(chance % UInt64($0.members.count))] }
    }
}

private final class InProcessDriver: BusDriver {
    let maxPayload: Int
    private let table: SubjectTable
    private weak var port: BusPort?
    private var door: Mailbox<BusMail>?
    private var subjects: [UInt64: String] = [:]

    init(_ table: SubjectTable, maxPayload: Int) { (self.table, self.maxPayload) = (table, maxPayload) }

    func start(for port: BusPort) {
        self.port = port
        door = port.loop.mailbox { [weak port] mail in
            guard let port, port.state != .closed else { return }
            switch mail {
            case .message(let envelope, let sid):
                var parts = envelope.parts
                parts.sid = sid
                port.deliver(envelope.bytes.span.raw, parts)
            case .flushed(let number): port.flushed(number)
            }
        }
        subscribe(port.inboxSubject, group: nil, sid: BusSubscriptions.inbox)
        port.becomes(.open)
    }

    func publish(_ subject: RawSpan, reply: RawSpan, headers: RawSpan, payload: RawSpan) throws(BusError) {
        guard let port else { throw .closed }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(subject.byteCount + reply.byteCount + headers.byteCount + payload.byteCount)
        let parts = NATSMessage(
            subject: bytes.add(subject), sid: 0, reply: bytes.add(reply), headers: bytes.add(headers),
            payload: bytes.add(payload))
        let envelope = BusEnvelope(bytes: bytes, parts: parts)
        let listeners = table.find(subject.text(0..<subject.byteCount), chance: port.loop.random.next())
        if listeners.isEmpty, !reply.isEmpty {
            let headers = NATSHeaderBlock.noResponders
            return try publish(reply, reply: RawSpan(), headers: headers.span.raw, payload: RawSpan())
        }
        for listener in listeners where !listener.door.post(.message(envelope, sid: listener.sid)) {
            port.counters.dropped.add(1)
        }
    }

    func subscribe(_ subject: String, group: String?, sid: UInt64) {
        guard let door else { return }
        subjects[sid] = subject
        table.add(SubjectTable.Entry(subject: subject, group: group, sid: sid, door: door))
    }

    func unsubscribe(_ sid: UInt64) {
        guard let door, let subject = subjects.removeValue(forKey: sid) else { return }
        table.remove(subject, sid: sid, of: door)
    }

    /// Behind all that others have posted before.
    func flush(_ number: UInt64) {
        if door?.post(.flushed(number)) != true { port?.flushed(number, .full(bytes: 0)) }
    }

    func close() {
        unsubscribe(BusSubscriptions.inbox)
        guard let door, let port else { return }
        self.door = nil
        for (sid, subject) in subjects { table.remove(subject, sid: sid, of: door) }
        subjects = [:]
        port.loop.remove(door)
    }
}
