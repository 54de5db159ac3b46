import CanonicalJSON
import DaybookClient

/// What is measured with the life that `tools/demo` tells: commands, logs, refusals and reads of all five platforms,
/// and not one kind of command over and over.
struct DemoPart {
  let ground: Ground
  let options: BenchOptions

  func run(into report: inout Report) async throws {
    let server = try await DaybookProcess.start("demo", .embedded, ground: ground, options: options)
    Progress.say("telling a month of five platforms at scale \(Number.text(options.scale, decimals: 2))")
    let start = Clock.now
    let output = try ChildProcess.run(
      [
        options.demo, "--connect", server.ownAddress.argument, "--scale", "\(options.scale)", "--json",
      ], errors: ground.folder + "/demo.log")
    let told = Clock.now - start
    guard let summary = try JSON.parse(output).objectValue, let commands = summary["commands"]?.integerValue else {
      throw BenchFailure("daybook-demo said \(output)")
    }
    var figure = Figure(.demo, "a month of five platforms, \(commands) commands", Double(commands) / told, "/s")
    figure.note = "decided, recorded, and answered to people who wait for each other"
    figure.more["summary"] = .object(summary)
    report.add(figure)
    let settled = Clock.now
    try await ReadModels.settle(server)
    var lag = Figure(.demo, "read models behind when the last answer came", Clock.now - settled, "s")
    lag.note = "while \(try await server.head()) events were written"
    report.add(lag)
    let head = try await server.head()
    Progress.say("rebuilding it")
    let begin = Clock.now
    let result = try await server.client.call("projection.rebuild")
    let seconds = Clock.now - begin
    if let different = (result["tables"]?.arrayValue ?? []).first(where: { $0["differs"]?.boolValue == true }) {
      throw BenchFailure("a rebuilt table differs from what it was: \(different.canonicalString)")
    }
    var rebuild = Figure(.demo, "rebuild of all read models from \(head) events", Double(head) / seconds, "events/s")
    rebuild.note = "digests as before"
    report.add(rebuild)
    try await server.stop()
  }
}
