/// Events of OpenLineage, START and COMPLETE of one run after the other, as the client for Python sends them: about 850
/// bytes each.
struct LineageEvents {
  private let series: Int
  private var identifiers: IdentifierMaker
  private var run: String?

  init(series: Int) {
    self.series = series
    identifiers = IdentifierMaker(series: series)
  }

  /// Appends the next one as JSON.
  mutating func write(into output: inout [UInt8]) {
    let isStart = run == nil
    let id = run ?? identifiers.make()
    run = isStart ? id : nil
    output.append(contentsOf: isStart ? Self.started : Self.completed)
    output.append(contentsOf: id.utf8)
    output.append(contentsOf: Self.job)
    CommandWriter.write(series, into: &output)
    output.append(contentsOf: Self.rest)
  }

  private static let started = Array(
    (#"{"eventTime": "2026-11-28T18:50:15.116465+00:00", "eventType": "START", "#
      + #""run": {"facets": \#(tags), "runId": ""#).utf8)
  private static let completed = Array(
    (#"{"eventTime": "2026-11-28T18:50:17.402118+00:00", "eventType": "COMPLETE", "#
      + #""run": {"facets": \#(tags), "runId": ""#).utf8)
  private static let tags =
    #"{"tags": {"_producer": "https://github.com/OpenLineage/OpenLineage/tree/1.54.0/client/python", "#
    + ##""_schemaURL": "https://openlineage.io/spec/facets/1-0-0/TagsRunFacet.json#/$defs/TagsRunFacet", "##
    + #""tags": [{"key": "openlineage_client_version", "source": "OPENLINEAGE_CLIENT", "value": "1.54.0"}]}}"#
  private static let job = Array(#""}, "job": {"facets": {}, "namespace": "demo", "name": "demo.job_"#.utf8)
  private static let rest = Array(
    (#""}, "inputs": [{"facets": {}, "inputFacets": {}, "name": "shop.public.orders", "#
      + #""namespace": "postgres://db:5432"}], "outputs": [{"facets": {}, "name": "shop.public.mart", "#
      + #""namespace": "postgres://db:5432", "outputFacets": {}}], "producer": "https://example.com/producer", "#
      + ##""schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"}"##).utf8)
}

/// These events by `openlineage.record`, each a line.
struct LineageLines: LineSource {
  private let beginning: [UInt8]
  private var events: LineageEvents
  private var number = 0

  init(series: Int, organization: String) {
    beginning = Array(
      #","method":"openlineage.record","params":{"organization_id":"\#(organization)","event":"#.utf8)
    events = LineageEvents(series: series)
  }

  mutating func writeLine(into output: inout [UInt8]) {
    number += 1
    output.append(contentsOf: #"{"jsonrpc":"2.0","id":"#.utf8)
    CommandWriter.write(number, into: &output)
    output.append(contentsOf: beginning)
    events.write(into: &output)
    output.append(contentsOf: "}}\n".utf8)
  }
}

/// These events over HTTP, with the head that the client for Python sends: one in each request, or an array of many.
struct LineageRequests: LineSource {
  private let head: [UInt8]
  private let batch: Int?
  private var events: LineageEvents
  private var body: [UInt8] = []

  /// - Parameter batch: How many are in each request; nil for one, without an array.
  init(series: Int, key: String, batch: Int?) {
    head = Array(
      ("POST /api/v1/lineage\(batch == nil ? "" : "/batch") HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        + "User-Agent: python-requests/2.34.2\r\nAccept-Encoding: gzip, deflate\r\nAccept: */*\r\n"
        + "Connection: keep-alive\r\nContent-Type: application/json\r\nAuthorization: Bearer \(key)\r\n"
        + "Content-Length: ").utf8)
    self.batch = batch
    events = LineageEvents(series: series)
  }

  mutating func writeLine(into output: inout [UInt8]) {
    body.removeAll(keepingCapacity: true)
    if let batch {
      for number in 0..<batch {
        body.append(UInt8(ascii: number == 0 ? "[" : ","))
        events.write(into: &body)
      }
      body.append(UInt8(ascii: "]"))
    } else {
      events.write(into: &body)
    }
    output.append(contentsOf: head)
    CommandWriter.write(body.count, into: &output)
    output.append(contentsOf: "\r\n\r\n".utf8)
    output.append(contentsOf: body)
  }
}
