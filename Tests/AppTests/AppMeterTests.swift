import OmniwayTelemetry
import OmniwayTesting
import Testing

@testable import OmniwayApp

@Suite struct AppMeterTests {
    private static let time = "pitaya_handler_response_time_ns"
    private static let delay = "pitaya_handler_handler_delay_ns"

    @Test func `an answer is counted with the labels of the original`() async throws {
        let app = App(type: "room")
        app.on("room.echo") { (body: [UInt8], context) in body }
        let world = try await AppWorld(app, loops: 2)
        for _ in 0..<3 { #expect(await world.player().ask("room.echo", "hi") == "hi") }
        let found = await world.records(
            Self.time, ("route", "room.room.echo"), ("status", "ok"), ("type", "handler"), ("code", ""))
        #expect(found?.count == 3)
        #expect(await world.records(Self.time)?.count == 3)
        let text = await world.snapshot().prometheusText
        #expect(text.contains("# TYPE pitaya_handler_response_time_ns summary\n"))
        let labels = #"route="room.room.echo",status="ok",type="handler",code="",serverType="room""#
        for quantile in ["0.7", "0.95", "0.99"] {
            #expect(text.contains("\(Self.time){\(labels),quantile=\"\(quantile)\"} 1152\n"))
        }
        #expect(text.contains("\(Self.time)_count{\(labels)} 3\n"))
        #expect(await world.meter("pitaya_acceptor_connected_clients") == 3)
    }

    @Test func `a plain handler never waits for its turn, one behind another does`() async throws {
        let app = App(type: "room")
        app.on("room.plain") { (body: [UInt8], context) in body }
        app.on("room.slow") { (body: [UInt8], context) in
            try await context.sleep(for: .seconds(2))
            return body
        }
        let world = try await AppWorld(app)
        let player = await world.player()
        await player.request("room.plain")
        #expect(await world.records(Self.delay) == nil)
        await player.request("room.slow")
        world.world.advance(by: .seconds(3))
        #expect(await world.records(Self.delay, ("route", "room.room.slow"), ("type", "local"))?.count == 1)
        #expect(await world.records(Self.time, ("route", "room.room.slow"))?.sum == 2_000_000_000)
    }

    @Test func `a failure is counted with its code, and codes without end with one`() async throws {
        let app = App(type: "room")
        app.on("room.fail") { (body: [UInt8], context) -> [UInt8] in
            throw AppError(String(decoding: body, as: UTF8.self), "no")
        }
        let world = try await AppWorld(app)
        let player = await world.player()
        for code in 0..<1_100 { _ = await player.ask("room.fail", "E\(code)") }
        _ = await player.ask("room.fail", "E7")
        #expect(await world.records(Self.time, ("status", "failed"), ("code", "E7"))?.count == 2)
        #expect(await world.records(Self.time, ("status", "failed"), ("code", "other"))?.count == 100)
        #expect(await world.series(Self.time, []).count == 1_002)
    }

    @Test func `routes that clients make up are no labels`() async throws {
        let app = App(type: "room")
        app.on("room.echo") { (body: [UInt8], context) in body }
        let world = try await AppWorld(app)
        let player = await world.player()
        for number in 0..<20 {
            _ = await player.ask("room.made\(number)")
            await player.notify("room.made\(number)")
        }
        #expect(await world.series(Self.time, []).map(\.labels.first?.value) == ["room.room.echo"])
        #expect(await world.meter("omniway_app_unrouted_total") == 20)
    }

    @Test func `labels of the settings are on all meters of the app`() async throws {
        var settings = AppSettings()
        settings.meterLabels = ["region": "eu", "game": "chess"]
        settings.rateLimit = AppSettings.RateLimit(2)
        let app = App(type: "room", settings: settings)
        app.on("room.slow") { (body: [UInt8], context) in
            try await context.sleep(for: .seconds(1))
            return body
        }
        let world = try await AppWorld(app)
        let player = await world.player()
        world.world.advance(by: .seconds(2))
        for _ in 0..<4 { await player.request("room.slow") }
        world.world.advance(by: .seconds(2))
        await player.close()
        #expect(await world.meter("pitaya_acceptor_exceeded_rate_limiting", ("game", "chess")) == 2)
        let series = await world.snapshot().families
            .filter { $0.name.hasPrefix("pitaya_") || $0.name.hasPrefix("omniway_app_") }.flatMap(\.series)
        #expect(series.count >= 9)
        for series in series {
            #expect(
                series.labels.suffix(3).map { "\($0.name)=\($0.value)" } == [
                    "serverType=room", "game=chess", "region=eu",
                ])
        }
    }

    @Test(arguments: ["route", "", "a-b", "1st", "__name__", "größe"])
    func `a label that Prometheus would not take keeps the app from starting`(_ name: String) async throws {
        var settings = AppSettings()
        settings.meterLabels = [name: "x"]
        let app = App(type: "room", settings: settings)
        let error = await #expect(throws: AppStartError.self) { try await AppWorld(app) }
        #expect("\(try #require(error))".contains("meterLabels has"))
    }
}
