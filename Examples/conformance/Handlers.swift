import OmniwayMain

/// As Go reads and writes it: what is missing is empty or zero, and a zero is left out.
struct Message: Codable {
    var content: String
    var n: Int?

    init(content: String, n: Int? = nil) { (self.content, self.n) = (content, n) }
    init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        content = try fields.decodeIfPresent(String.self, forKey: .content) ?? ""
        n = try fields.decodeIfPresent(Int.self, forKey: .n)
    }
}
struct Reply: Codable {
    var code = 200
    var result: String
}
struct Pair: Decodable {
    var key: String
    var value: String
}

/// The handlers behind the recorded conversations of the original: whoever replays them, or points a client at this
/// server, gets the recorded answers.
func addHandlers(to app: App) {
    app.validate("reject") { handshake in if handshake.user["reject"] == true { throw AppError("", "rejected") } }
    app.on("room.echo") { (body: [UInt8], context) in body }
    app.on("room.echojson") { (message: Message, context) in message }
    app.on("room.noarg") { context in Reply(result: context.app.type) }
    app.onNotify("room.notify") { (message: Message, context) in try context.session.push("onNotify", message) }
    app.on("room.push") { (message: Message, context) in
        for n in 0..<(message.n ?? 0) {
            try context.session.push("onPush", Message(content: message.content, n: n == 0 ? nil : n))
        }
        return Reply(result: "pushed")
    }
    addFailures(to: app)
    app.on("room.big") { (message: Message, context) in
        Message(content: String(repeating: "a", count: message.n ?? 0), n: message.n)
    }
    app.on("room.sleep") { (message: Message, context) in
        try await context.sleep(for: .milliseconds(message.n ?? 0))
        return Reply(result: message.content)
    }
    addSessions(to: app)
    addGroup(to: app)
    addCluster(to: app)
    app.on("room.hello") { (name: Doc, context) in Doc(doc: "hello \(name.doc) from \(context.app.type)") }
    app.addDocumentation(route: "room.docs")
}

/// What needs other servers, and what they may call.
private func addCluster(to app: App) {
    app.on("room.servers") { context in
        let types = Set(context.app.servers.map(\.type)).union([context.app.type])
        return Reply(result: types.sorted().joined(separator: ","))
    }
    app.on("room.rpc") { (pair: Pair, context) in
        let answer = try await context.rpc(
            pair.key, Doc(doc: pair.value), as: Doc.self, metadata: ["mykey": "myvalue"])
        return Reply(result: answer.doc)
    }
    app.remotes.on("remote.hello") { (name: Doc, context) in Doc(doc: "hello \(name.doc) from \(context.app.type)") }
    app.remotes.on("remote.noarg") { context in Doc(doc: "noarg") }
    app.remotes.on("remote.fail") { (why: Doc, context) -> Doc in
        throw AppError("RR-500", why.doc, metadata: ["m": "1"])
    }
    app.remotes.on("remote.slow") { (name: Doc, context) in
        try await context.sleep(for: .seconds(2))
        return name
    }
    app.remotes.on("remote.ctx") { (name: Doc, context) in Doc(doc: "\(JSON.object(context.metadata))") }
}

private struct Plain: Error, CustomStringConvertible { let description: String }

private func addFailures(to app: App) {
    app.on("room.err") { (message: Message, context) -> Reply in
        throw AppError("RM-001", message.content, metadata: ["k": "v"])
    }
    // What other languages do by a panic is an error here.
    for method in ["errplain", "panic"] {
        app.on("room.\(method)") { (message: Message, context) -> Reply in throw Plain(description: message.content) }
    }
    app.on("room.panicerr") { (message: Message, context) -> Reply in
        throw Plain(description: "rpc call internal error - PanicErr: \(message.content)")
    }
    app.on("room.nilreply") { context -> Reply? in nil }
}

private func addSessions(to app: App) {
    app.on("room.bind") { (message: Message, context) in
        do {
            try await context.session.bind(message.content)
        } catch let error as AppError {
            throw AppError("RH-000", error.message, metadata: ["failed": "bind"])
        }
        return Reply(result: "bound \(message.content)")
    }
    app.on("room.set") { (pair: JSON, context) in
        context.session.data[try pair["key"]?.string() ?? ""] = pair["value"]
        try await context.session.pushToFront()
        return Reply(result: "set")
    }
    app.on("room.get") { context in
        let session = context.session
        var dump: JSON.Object = ["uid": .string(session.uid ?? ""), "id": 0, "data": .object(session.data)]
        if let handshake = session.handshake { dump["handshake"] = handshake.json }
        return JSON.object(dump)
    }
    app.onNotify("room.kickme") { context in context.session.kick() }
    app.on("room.kickuser") { (message: Message, context) in
        let failed = try context.app.kick([message.content])
        if !failed.isEmpty {
            throw AppError(
                "RH-001", "failed to kick users, check array with failed uids",
                metadata: ["failed": failed.joined(separator: ",")])
        }
        return Reply(result: "kicked")
    }
    app.on("room.pushuser") { (pair: Pair, context) in
        let failed = try context.app.push("onUser", Message(content: pair.value), to: [pair.key])
        if !failed.isEmpty {
            throw AppError(
                "RH-002", "failed to push message to users, check array with failed uids",
                metadata: ["failed": failed.joined(separator: ",")])
        }
        return Reply(result: "pushed")
    }
}

private func addGroup(to app: App) {
    do { try app.groups.create("room") } catch { fatalError("\(error)") }
    app.on("room.join") { context in
        let (app, user) = (context.app, context.session.uid ?? "")
        try app.groups.add(user, to: "room")
        context.session.onClose { session, _ in
            guard (try? app.groups.remove(user, from: "room")) != nil else { return }  // It has left before.
        }
        return Reply(result: "members=\(try app.groups.count(of: "room"))")
    }
    app.on("room.leave") { context in
        try context.app.groups.remove(context.session.uid ?? "", from: "room")
        return Reply(result: "left")
    }
    app.on("room.broadcast") { (message: Message, context) in
        try context.app.broadcast("onMessage", message, to: "room")
        return Reply(result: "sent")
    }
}

extension Handshake {
    /// As the original writes it.
    var json: JSON {
        [
            "sys": [
                "platform": .string(platform), "libVersion": .string(libraryVersion),
                "clientBuildNumber": .string(clientBuild), "clientVersion": .string(clientVersion),
            ], "user": .object(user),
        ]
    }
}
