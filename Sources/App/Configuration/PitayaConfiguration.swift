import OmniwayWire

/// The configuration of the original, for who comes from it: its keys in a JSON file and in the environment.
///
/// ```swift
/// var configuration = PitayaConfiguration()
/// try configuration.read(file, of: "config.json5")
/// configuration.read(environment: ProcessInfo.processInfo.environment)
/// for warning in configuration.warnings { Log.shared.warning("configuration", ["why": warning]) }
/// let app = App(type: "room", settings: try AppSettings(pitaya: configuration))
/// ```
///
/// Keys are read whatever their case. What is read later counts.
public struct PitayaConfiguration: Sendable {
    private var values: [String: PitayaValue] = [:]
    private var unknown: [String] = []

    public init() {}

    /// What begins with `PITAYA_` and is not empty: `PITAYA_HEARTBEAT_INTERVAL` is `pitaya.heartbeat.interval`.
    public mutating func read(environment: [String: String]) {
        var known: Set<String> = []
        for key in PitayaKey.all {
            known.insert(key.variable)
            guard let text = environment[key.variable], !text.isEmpty, let meant = PitayaKey.named(key.name) else {
                continue
            }
            if case .spells = key.meaning, environment[meant.variable]?.isEmpty == false { continue }
            set(PitayaValue(key: key.name, value: .string(text), origin: key.variable), meant)
        }
        for name in environment.keys.sorted() where name.hasPrefix("PITAYA_") && !known.contains(name) {
            unknown.append("\(name): no key of the original is spelled so; it sets nothing")
        }
    }

    /// A text of JSON or JSON5: objects within objects, or names with points, or both. What does not begin with
    /// `pitaya` is the application's own and not looked at. `name` is for errors.
    public mutating func read(_ text: [UInt8], of name: String) throws(PitayaConfigurationError) {
        let document: JSON.Node
        do throws(JSON.ReadError) {
            document = try JSON.Reader.json5.readNode(text)
        } catch { throw PitayaConfigurationError(["\(name):\(error)"]) }
        guard case .object = document.value else {
            throw PitayaConfigurationError(["\(name): expected an object; write { \"pitaya\": { ... } }"])
        }
        var places: [String: JSON.Position] = [:]
        try read(document, "", of: name, &places)
    }

    private mutating func read(
        _ node: JSON.Node, _ prefix: String, of file: String, _ places: inout [String: JSON.Position]
    ) throws(PitayaConfigurationError) {
        for (name, member) in node.members {
            let key = (prefix + name).lowercased()
            let origin = "\(file):\(member.keyPosition?.description ?? "")"
            if let meant = PitayaKey.named(key) {
                if let first = places[meant.name] {
                    throw PitayaConfigurationError(["\(origin): \(key) stands here again, first at \(first)"])
                }
                places[meant.name] = member.keyPosition
                set(PitayaValue(key: key, value: member.value, origin: origin), meant)
            } else if case .object = member.value, key == "pitaya" || isOurs(key) {
                try read(member, key + ".", of: file, &places)
            } else if isOurs(key) {
                unknown.append("\(origin): \(key) is no key of the original; it sets nothing")
            }
        }
    }

    private func isOurs(_ key: String) -> Bool { key.hasPrefix("pitaya.") }

    private mutating func set(_ value: PitayaValue, _ key: PitayaKey) {
        values[key.name] = value.value == .null ? nil : value  // Null is what nobody has set.
    }

    /// What was given and sets nothing here, each with the reason or what to use instead.
    public var warnings: [String] {
        unknown
            + PitayaKey.all.compactMap { key in
                guard let value = values[key.name] else { return nil }
                let name = "\(value.origin): \(value.key)"
                switch key.meaning {
                case .sets, .serializer, .spells: return nil
                case .nothing(let why): return "\(name) sets nothing here: \(why)"
                }
            }
    }

    /// The name of the serializer that was chosen; nil when none was.
    public func serializer() throws(PitayaConfigurationError) -> String? {
        guard let value = values["pitaya.serializertype"] else { return nil }
        do throws(PitayaFault) {
            return try value.int(in: 1...2) == 1 ? "json" : "protobuf"
        } catch { throw PitayaConfigurationError([error.text]) }
    }

    fileprivate func apply(to settings: inout AppSettings) throws(PitayaConfigurationError) {
        var faults: [String] = []
        for key in PitayaKey.all {
            guard case .sets(_, let apply) = key.meaning, let value = values[key.name] else { continue }
            do throws(PitayaFault) { try apply(value, &settings) } catch { faults.append(error.text) }
        }
        if !faults.isEmpty { throw PitayaConfigurationError(faults) }
    }
}

extension AppSettings {
    /// The given settings, or those of an app that is told nothing, with what the original's configuration sets.
    public init(pitaya configuration: PitayaConfiguration, over settings: AppSettings = AppSettings())
        throws(PitayaConfigurationError)
    {
        self = settings
        try configuration.apply(to: &self)
    }
}

/// All that is wrong with a configuration: each fault says where it stands, what is there, and what is expected.
public struct PitayaConfigurationError: Error, Equatable, CustomStringConvertible {
    public let faults: [String]
    init(_ faults: [String]) { self.faults = faults }
    public var description: String { faults.joined(separator: "\n") }
}
