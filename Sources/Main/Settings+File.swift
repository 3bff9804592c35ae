import FoundationEssentials
import Omniway
package import OmniwayArguments

extension Settings {
    /// Sets what a file of JSON5 says: objects are sections. All that is wrong with it is said at once, each with its
    /// line and column.
    package mutating func read(file path: String) throws(SettingsFileError) {
        guard let text = FileManager.default.contents(atPath: path) else { throw SettingsFileError(unreadable: path) }
        try read(Array(text), of: path)
    }

    package mutating func read(_ text: [UInt8], of file: String) throws(SettingsFileError) {
        let document: JSON.Node
        do throws(JSON.ReadError) {
            document = try JSON.Reader.json5.readNode(text)
        } catch { throw SettingsFileError(["\(file):\(error)"]) }
        guard case .object = document.value else {
            throw SettingsFileError([
                "\(file):\(document.position): expected an object; write { log: { level: \"info\" } }"
            ])
        }
        var faults: [String] = []
        for (name, member) in document.members {
            guard case .object = member.value else {
                set(name, member, file, &faults)
                continue
            }
            do throws(SettingError) { try requireSection(name) } catch {
                faults.append("\(file):\(member.keyPosition ?? member.position): \(error)")
                continue
            }
            for (key, value) in member.members { set("\(name).\(key)", value, file, &faults) }
        }
        if !faults.isEmpty { throw SettingsFileError(faults) }
    }

    private mutating func set(_ path: String, _ node: JSON.Node, _ file: String, _ faults: inout [String]) {
        let elements = if case .array = node.value { node.elements } else { [node] }
        let texts = elements.compactMap { Self.text(of: $0.value) }
        guard texts.count == elements.count else {
            return faults.append("\(file):\(node.position): \(path) is neither a text, a number, true nor false")
        }
        do throws(SettingError) { try set(path, texts) } catch {
            faults.append("\(file):\(node.keyPosition ?? node.position): \(error)")
        }
    }

    private static func text(of value: JSON) -> String? {
        switch value {
        case .string(let text): text
        case .number(let number): number.description
        case .bool(let value): "\(value)"
        case .null, .array, .object: nil
        }
    }
}

/// What is wrong with a file of settings: each fault says where it stands and what to write.
package struct SettingsFileError: Error, Equatable, CustomStringConvertible {
    package let faults: [String]
    init(_ faults: [String]) { self.faults = faults }
    init(unreadable path: String) {
        self.init(["cannot read \(path); name a file of JSON5 that this process may read"])
    }
    package var description: String { faults.joined(separator: "\n") }
}
