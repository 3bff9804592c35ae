import Glibc
import Omniway

/// `omniway tunnel doctor`: every step between here and a target, with what to do about the one that fails.
struct TunnelDoctor {
    private let asked: TunnelQuestion
    init(_ asked: TunnelQuestion) { self.asked = asked }

    /// True when nothing is wrong.
    func examine() async -> Bool {
        say(true, "identity", "client \(asked.identity.client), number \(asked.identity.tunnel)")
        var isWell = true
        for node in asked.access.nodes { isWell = await examine(node) && isWell }
        return isWell
    }

    private func examine(_ node: TunnelNodeAddress) async -> Bool {
        let name = "node \(node)"
        do {
            let api = try await asked.api(of: node)
            guard try await api.isReady() else {
                return say(false, name, "is there and takes no work: it starts, ends, or has lost its registry")
            }
            say(true, name, node.isSecret ? "is ready, and shows the right certificate" : "is ready, without TLS")
            let me = try await api.get("client/me")
            say(true, "login", "the node takes the token")
            let place = TunnelTable.word(me["Online"] ?? .null, "nodeId")
            let whereabouts = place.isEmpty ? "is not logged in; start omniway client" : "is at node \(place)"
            var isWell = say(!place.isEmpty, "client", whereabouts)
            for rule in try await api.rules() {
                let state = TunnelTable.state(of: rule)
                let way = "\(TunnelTable.word(rule, "ListenAddr")) to \(TunnelTable.word(rule, "TargetAddr"))"
                isWell = say(state == "ready", "rule", "\(way): \(state)") && isWell
            }
            return isWell
        } catch {
            say(false, name, BodyText.harmless("\(error)"))
            if case TunnelAPIError.unreachable(.connectFailed(let reason)) = error,
                let advice = TunnelAccess.advice(reason)
            {
                print("      \(advice)")
            }
            return false
        }
    }

    @discardableResult private func say(_ isWell: Bool, _ what: String, _ words: String) -> Bool {
        print("\(isWell ? "ok  " : "FAIL")  \(what): \(words)")
        fflush(nil)
        return isWell
    }
}
