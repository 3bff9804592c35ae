import Glibc
import Omniway
import OmniwayArguments
import OmniwayMain

/// One target and its address, from the command line to the line that says where it is.
final class Exposure: Sendable {
    let configuration: TunnelAgent.Configuration
    private let kind: Expose.Kind
    private let target: String
    private let isBulk: Bool
    /// Where it was before, or where it is to be.
    private let wanted: String
    /// What is asked for when that cannot be had; nil when it was said where.
    private let otherwise: String?
    private let state = Lock(State())
    private static let attempts = 4

    private struct State {
        var client: LoopBound<TunnelClient>?
        var isKept = false
        var hasAsked = false
    }

    init(_ call: Invocation, kind: Expose.Kind, target: String, at: String, isBulk: Bool) throws {
        (self.kind, self.isBulk) = (kind, isBulk)
        let local = UInt16(target).map { HostPort(host: "127.0.0.1", port: $0) } ?? HostPort(target)
        guard let local, !local.host.isEmpty, local.port > 0 else { throw TunnelFlagError.target(target) }
        // A web server at a port of its own is a port like any other; a name is for the node to tell from others.
        let isNamed = kind == .http && !at.isEmpty && UInt16(at) == nil
        let scheme = kind == .http && !isNamed ? Expose.Kind.tcp : kind
        self.target = "\(scheme.rawValue)://\(local)"
        let plain = "\(local)".map { $0.isLetter || $0.isNumber || $0 == "." ? $0 : "-" }
        let access = try TunnelAccess(call, usual: "expose-\(kind.rawValue)-\(String(plain)).json")
        if isBulk {
            guard kind != .udp, !isNamed else { throw TunnelFlagError.bulkOfMany }
            if let node = access.nodes.first(where: { $0.carrier != .tcp }) { throw TunnelFlagError.bulk(node) }
        }
        var configuration = TunnelAgent.Configuration(nodes: access.nodes, file: access.file)
        configuration.trust = access.trust
        configuration.client.registerKey = try TunnelNodeFlags.secret(
            call[RunClient.registerKey], "--register-key-file")
        configuration.client.kickPause = nil
        configuration.client.allowTargets = TargetAllowance(self.target).map { [$0] }
        self.configuration = configuration
        if at.isEmpty {
            let fresh = "node+\(scheme.rawValue)://:0"
            (wanted, otherwise) = (try access.file.note("exposed", self.target) ?? fresh, fresh)
        } else {
            (wanted, otherwise) = (isNamed ? at : "node+\(scheme.rawValue)://:\(at)", nil)
        }
    }

    func begin(_ client: LoopBound<TunnelClient>) {
        state.withLock { $0.client = client }
        askWhenReady()
    }

    func hear(_ event: TunnelAgent.Event) {
        guard case .kept = event else { return }
        state.withLock { $0.isKept = true }
        askWhenReady()
    }

    private func askWhenReady() {
        let client = state.withLock { state -> LoopBound<TunnelClient>? in
            guard state.isKept, !state.hasAsked, let client = state.client else { return nil }
            state.hasAsked = true
            return client
        }
        if let client { Task.detached { await self.expose(client) } }
    }

    // MARK: Asking the node

    @concurrent private func expose(_ client: LoopBound<TunnelClient>) async {
        var address = wanted
        var trouble: String?
        /// Rules that nobody can come to. They go when there is a better one, which so cannot be the same.
        var closed: [String] = []
        for _ in 1...Self.attempts {
            switch await add(address, client) {
            case .failure(.closed), .failure(.timedOut):
                // Registered, and not logged in yet, or not any more: it asks after the next login.
                return state.withLock { $0.hasAsked = false }
            case .failure(let failure):
                trouble = trouble ?? failure.description
                if address == otherwise { return await giveUp(closed, trouble, client) }
            case .success(let rule):
                guard let words = await self.trouble(with: rule, client) else {
                    await remove(closed, client)
                    return announce(rule)
                }
                (trouble, closed) = (words, closed + [rule.listenAddress.text])
            }
            guard let otherwise else { break }
            address = otherwise
        }
        await giveUp(closed, trouble, client)
    }

    private func giveUp(_ closed: [String], _ trouble: String?, _ client: LoopBound<TunnelClient>) async {
        await remove(closed, client)
        complain("omniway expose: not at \(wanted): \(BodyText.harmless(trouble ?? "no port can be opened"))")
        leave(with: .runtime)
    }

    private func remove(_ addresses: [String], _ client: LoopBound<TunnelClient>) async {
        for address in addresses {
            await withCheckedContinuation { waiter in
                Task { await client.run { _, client in client.remove(address) { _ in waiter.resume() } } }
            }
        }
    }

    private func add(_ address: String, _ client: LoopBound<TunnelClient>) async -> Result<TunnelRule, InvokeFailure> {
        let (target, isBulk) = (target, isBulk)
        return await withCheckedContinuation { waiter in
            Task {
                await client.run { _, client in
                    let own = client.identity?.tunnel ?? ""
                    var rule = TunnelRuleRequest(listen: address, target: target, of: own)
                    rule.options.isBulk = isBulk
                    client.add(rule) { waiter.resume(returning: $0) }
                }
            }
        }
    }

    /// Why nobody can come to a rule that the node has taken; nil when somebody can, and when another node is asked.
    private func trouble(with rule: TunnelRule, _ client: LoopBound<TunnelClient>) async -> String? {
        let (identity, here) = await client.run { _, client in (client.identity, client.node) }
        guard let identity, let here else { return nil }
        let (node, file, trust) = (configuration.nodes[0], configuration.file, configuration.trust)
        do {
            let api = try await TunnelAPIClient(
                of: node, trust: trust.trust(in: node, keptIn: file), serverName: trust.serverName, as: identity,
                on: client.home)
            guard TunnelTable.word(try await api.get("client/me"), "NodeId") == here else { return nil }
            var words = ""
            for _ in 0..<20 {
                let mine = try await api.rules().first { TunnelTable.word($0, "ListenAddr") == rule.listenAddress.text }
                words = mine.map { TunnelTable.word($0, "Port") } ?? ""
                if mine != nil, words.isEmpty || words == "open" { return nil }
                if words.contains("cannot listen") { return words }
                try await Task.sleep(for: .milliseconds(50))
            }
            return words
        } catch {
            Log.shared.notice("the node is not asked whether the port is open", ["why": "\(error)"])
            return nil
        }
    }

    // MARK: Saying where it is

    private func announce(_ rule: TunnelRule) {
        let address = rule.listenAddress.text
        do throws(TunnelIdentityFileError) { try configuration.file.note(address, "exposed", target) } catch {
            complain("omniway expose: \(error)")
        }
        print("exposed   \(target)")
        print("address   \(url(of: address))")
        print("Ctrl-C ends it.")
        fflush(nil)
    }

    /// What a person, or a program, is to open.
    private func url(of address: String) -> String {
        guard let slashes = address.firstRange(of: "://"), let colon = address.lastIndex(of: ":"),
            let port = UInt16(address[address.index(after: colon)...]), colon >= slashes.upperBound
        else {
            // A name, which every node answers for at its own port too.
            let node = configuration.nodes[0]
            return "\(node.isSecret ? "https" : "http")://\(HostPort(host: address, port: node.at.port))"
        }
        return "\(kind.rawValue)://\(HostPort(host: configuration.nodes[0].at.host, port: port))"
    }
}
