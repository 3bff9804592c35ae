// What an application imports as `Omniway`.
@_exported public import OmniwayAdmin
@_exported public import OmniwayApp
@_exported public import OmniwayCluster
@_exported public import OmniwayGateway
@_exported public import OmniwayMesh
@_exported public import OmniwayTelemetry
@_exported public import OmniwayTransport
@_exported public import OmniwayTunnel
@_exported public import OmniwayWire
