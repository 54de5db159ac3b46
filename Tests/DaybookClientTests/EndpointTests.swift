import DaybookClient
import Testing

@Suite struct EndpointTests {
  @Test(arguments: [
    ("unix:/run/daybook.sock", Endpoint.unix("/run/daybook.sock")), ("unix:a:b", .unix("a:b")),
    ("tcp:localhost:7717", .tcp(host: "localhost", port: 7717)), ("tcp:[::1]:1", .tcp(host: "::1", port: 1)),
    ("tls:db.example.org:65535", .tls(host: "db.example.org", port: 65_535)),
  ])
  func `a text names an endpoint, which writes it again`(_ text: String, _ endpoint: Endpoint) throws {
    #expect(try Endpoint.parse(text) == endpoint)
    #expect(endpoint.description == text)
  }

  @Test(arguments: [
    "", "unix", "unix:", "tcp:", "tcp:host", "tcp:host:", "tcp::1", "tcp:host:0", "tcp:host:65536", "tcp:host:x",
    "tcp:::1:7717", "http:host:80", "/run/daybook.sock",
  ])
  func `any other text is refused with the forms that there are`(_ text: String) {
    let error = #expect(throws: ClientError.endpoint(text)) { try Endpoint.parse(text) }
    #expect(error?.description.contains("unix:PATH") == true)
  }
}
