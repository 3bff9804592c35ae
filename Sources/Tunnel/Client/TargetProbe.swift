import OmniwayTransport
import OmniwayWire

/// One look at a target: whether it takes a connection, and what it answers to a request.
final class TargetProbe: LinkHandler, TimerTarget {
    private let target: TargetAddress
    private let check: TunnelHealthCheck
    private var answer: InvokeAnswer?
    private var link: Link?
    static let patience = Duration.seconds(2)

    static func begin(
        _ request: InvokeRequest, _ answer: InvokeAnswer, for client: TunnelClient
    ) throws(TunnelRefusal) {
        let rule = try TunnelRule(MemberReader.json(request.body))
        guard let check = rule.options.health else { return answer.fail(.failed, "the rule has no health check") }
        guard client.allows(rule.targetAddress, by: rule) else {
            return answer.fail(.forbidden, "the client does not allow this target")
        }
        let probe = TargetProbe(rule.targetAddress, check, answer)
        let dialer = client.settings.dialStream(rule.targetAddress)
        probe.link = dialer.dial(on: client.loop, deadline: patience, handler: probe)
        if probe.link == nil { return probe.end("the loop has no room for another link") }
        client.loop.after(patience, probe)
    }

    private init(_ target: TargetAddress, _ check: TunnelHealthCheck, _ answer: InvokeAnswer) {
        (self.target, self.check, self.answer) = (target, check, answer)
    }

    func opened(_ link: Link) {
        switch check {
        case .connects: end(nil)
        case .answers(let path):
            let host = target.path.isEmpty ? "\(target.at)" : "localhost"
            let head = "GET \(path) HTTP/1.1\r\nHost: \(host)\r\nUser-Agent: omniway\r\nConnection: close\r\n\r\n"
            link.write(Array(head.utf8))
        }
    }

    /// The first line says it: `HTTP/1.1 200`.
    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        guard answer != nil else { return bytes.byteCount }
        guard bytes.byteCount >= 12 else { return 0 }
        let text = bytes.text(0..<12)
        let status = Int(text.suffix(3)) ?? 0
        let isWell = text.hasPrefix("HTTP/1.") && (200..<400).contains(status)
        end(isWell ? nil : "\(target) answers with status \(status)")
        return bytes.byteCount
    }

    func finished(_ link: Link) { end("\(target) ends without an answer") }
    func closed(_ link: Link, _ reason: CloseReason) { end("\(target): \(reason)") }
    func timerFired(_ token: UInt64, on loop: Loop) { end("\(target) does not answer in \(Self.patience)") }

    /// Nil when it is well.
    private func end(_ trouble: String?) {
        guard let answer = exchange(&answer, with: nil) else { return }
        if let trouble { answer.fail(.targetFailed, trouble) } else { answer.succeed() }
        exchange(&link, with: nil)?.close(.done)
    }
}
