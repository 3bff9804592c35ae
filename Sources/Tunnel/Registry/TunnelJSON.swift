import OmniwayWire

/// Values as the original writes them, with our members after its own.
extension TunnelRule {
    var json: JSON {
        var json: JSON = [
            "ListenClientId": .string(listener), "TargetClientId": .string(target),
            "TargetTunnelId": .string(targetTunnel), "ListenAddr": .string(listenAddress.text),
            "TargetAddr": .string(targetAddress.description), "CreateTime": .string(created),
            "Owner": .string(owner), "AuthCodeMark": .string(codeMark), "MaxConnections": JSON(limits.connections),
            "AllowSources": .array(limits.sources.map { .string($0) }),
        ]
        json.add(limits.members + options.members)
        return json
    }

    /// What the clients of the rule are told of it.
    var shown: JSON {
        guard case .object(var members) = json else { return json }
        members["AuthCodeMark"] = nil
        return .object(members)
    }

    init(_ json: JSON) throws(TunnelRefusal) {
        let reader = try MemberReader(json)
        guard let listen = TunnelAddress(try reader.text("ListenAddr")) else { throw reader.bad("ListenAddr") }
        guard let target = TargetAddress(try reader.text("TargetAddr")) else { throw reader.bad("TargetAddr") }
        (listenAddress, targetAddress) = (listen, target)
        listener = try reader.text("ListenClientId")
        self.target = try reader.text("TargetClientId")
        targetTunnel = try reader.text("TargetTunnelId")
        created = try reader.text("CreateTime")
        owner = try reader.text("Owner")
        codeMark = try reader.text("AuthCodeMark")
        limits = try reader.limits()
        options = try TunnelRuleOptions(reader)
    }
}

extension TunnelRuleRequest {
    var json: JSON {
        var json: JSON = [
            "targetTunnelId": .string(targetTunnel), "targetAuthCode": .string(targetAuthCode),
            "listenAddr": .string(listenAddress), "targetAddr": .string(targetAddress),
            "maxConnections": JSON(limits.connections),
            "allowSources": .array(limits.sources.map { .string($0) }),
        ]
        for (name, value) in limits.members + options.members {
            json.add([(name.prefix(1).lowercased() + name.dropFirst(), value)])
        }
        return json
    }

    init(_ json: JSON) throws(TunnelRefusal) {
        let reader = try MemberReader(json)
        self.init(
            listen: try reader.text("listenAddr"), target: try reader.text("targetAddr"),
            of: try reader.text("targetTunnelId"), authCode: try reader.text("targetAuthCode"))
        limits = try reader.limits()
        options = try TunnelRuleOptions(reader)
    }
}

/// The members of an object that somebody sent, in any case.
struct MemberReader {
    private let members: JSON.Object

    init(_ json: JSON) throws(TunnelRefusal) {
        guard case .object(let members) = json else { throw TunnelRefusal(.failed, "the body is no object") }
        self.members = members
    }

    init(_ text: String) throws(TunnelRefusal) { try self.init(Self.json(text)) }

    static func json(_ text: String) throws(TunnelRefusal) -> JSON {
        do throws(JSON.ReadError) {
            return try JSON.Reader.go.read(text)
        } catch { throw TunnelRefusal(.failed, "the body is no JSON: \(error)") }
    }

    /// Empty when it is missing.
    func text(_ name: String) throws(TunnelRefusal) -> String {
        guard let value = members[anyCase: name]?.ifNotNull else { return "" }
        guard case .string(let text) = value else { throw bad(name) }
        return text
    }

    func number(_ name: String, in range: ClosedRange<Int>, or usual: Int) throws(TunnelRefusal) -> Int {
        guard let value = members[anyCase: name]?.ifNotNull else { return usual }
        guard let number = try? value.int(in: range) else { throw bad(name) }
        return number
    }

    func flag(_ name: String) throws(TunnelRefusal) -> Bool {
        guard let value = members[anyCase: name]?.ifNotNull else { return false }
        guard case .bool(let flag) = value else { throw bad(name) }
        return flag
    }

    func limits() throws(TunnelRefusal) -> TunnelRuleLimits {
        var limits = TunnelRuleLimits()
        limits.connections = try number("maxConnections", in: 1...1 << 20, or: limits.connections)
        let most = 1 << 50
        let (bandwidth, bytes) = (
            try number("bandwidth", in: 0...most, or: 0), try number("monthlyBytes", in: 0...most, or: 0)
        )
        if bandwidth > 0 { limits.bandwidth = bandwidth }
        if bytes > 0 { limits.monthlyBytes = bytes }
        guard let value = members[anyCase: "allowSources"]?.ifNotNull else { return limits }
        guard case .array(let sources) = value, sources.count <= TunnelRuleLimits.most else {
            throw bad("allowSources")
        }
        for source in sources {
            guard case .string(let range) = source else { throw bad("allowSources") }
            limits.sources.append(range)
        }
        return limits
    }

    func member(_ name: String) -> JSON? { members[anyCase: name]?.ifNotNull }

    func bad(_ name: String) -> TunnelRefusal { TunnelRefusal(.failed, "\(name) cannot be read; see docs/tunnel.md") }
}

extension TunnelRuleLimits {
    /// Those that not every rule has.
    fileprivate var members: [(name: String, value: JSON)] {
        var members: [(String, JSON)] = []
        if let bandwidth { members.append(("Bandwidth", JSON(bandwidth))) }
        if let monthlyBytes { members.append(("MonthlyBytes", JSON(monthlyBytes))) }
        return members
    }
}

extension JSON {
    mutating func add(_ new: [(name: String, value: JSON)]) {
        guard case .object(var members) = self else { return }
        for (name, value) in new { members[name] = value }
        self = .object(members)
    }

    var text: String { String(decoding: Writer().bytes(of: self), as: UTF8.self) }
}
