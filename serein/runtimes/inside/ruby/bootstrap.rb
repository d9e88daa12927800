# frozen_string_literal: true

# The Ruby runtime: reads frames from descriptor 3, loads the handler, answers one event after the other.
# https://docs.aws.amazon.com/lambda/latest/dg/ruby-handler.html
require "json"

# The channel to the pool, and the log.
class SereinChannel
  INVOKE = 2
  READY = 11
  RESULT = 12
  ERROR = 13
  INIT_ERROR = 14
  BYTES_MAX = 6_291_556

  def initialize
    @socket = IO.for_fd(3, "r+b")
    @socket.sync = true
    @socket.close_on_exec = true
    @log = IO.for_fd(1, "wb", autoclose: false)
    @log.sync = true
  end

  # The next event's facts and text; nil when the pool is gone.
  def receive
    header = @socket.read(16)
    return nil if header.nil? || header.bytesize < 16

    _, meta_bytes, body_bytes, = header.unpack("V4")
    [JSON.parse(@socket.read(meta_bytes)), @socket.read(body_bytes) || ""]
  end

  def send(kind, body)
    body = body.b
    $stdout.flush
    @socket.write([kind, 0, body.bytesize, peak_kib].pack("V4") << body)
  end

  # A message that keeps its line breaks.
  def log(message)
    $stdout.flush
    text = message.b
    moment = Process.clock_gettime(Process::CLOCK_REALTIME, :microsecond)
    @log.write([0xa55a0003, text.bytesize, moment].pack("NNQ>") << text)
  end

  private

  def peak_kib
    File.read("/proc/self/status")[/^VmHWM:\s+(\d+)/, 1].to_i
  rescue SystemCallError
    0
  end
end

# https://docs.aws.amazon.com/lambda/latest/dg/ruby-context.html
class LambdaContext
  attr_reader :aws_request_id, :invoked_function_arn, :log_group_name, :log_stream_name, :function_name,
              :memory_limit_in_mb, :function_version, :identity, :client_context, :deadline_ms

  def initialize(facts)
    @aws_request_id = facts["id"]
    @deadline_ms = facts["deadline_ms"]
    @invoked_function_arn = facts["arn"]
    @log_group_name = ENV["AWS_LAMBDA_LOG_GROUP_NAME"]
    @log_stream_name = ENV["AWS_LAMBDA_LOG_STREAM_NAME"]
    @function_name = ENV["AWS_LAMBDA_FUNCTION_NAME"]
    @memory_limit_in_mb = ENV["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
    @function_version = ENV["AWS_LAMBDA_FUNCTION_VERSION"]
    @identity = JSON.parse(facts["identity"]) if facts["identity"]
    @client_context = JSON.parse(facts["client_context"]) if facts["client_context"]
  end

  def get_remaining_time_in_millis
    left = @deadline_ms - Process.clock_gettime(Process::CLOCK_REALTIME, :millisecond)
    left.positive? ? left : 0
  end
end

# The function: its code, loaded, and how it is called.
class SereinFunction
  TASK = ENV.fetch("LAMBDA_TASK_ROOT")
  OPT = ARGV.fetch(0, "/opt")

  def initialize(name)
    @file, *rest = name.split(".")
    @method = rest.pop
    @class = rest.join(".") unless rest.empty?
  end

  def load
    raise ArgumentError, "Invalid handler #{@file}, must be of form FILENAME.METHOD or FILENAME.CLASS.METHOD where FILENAME corresponds with an existing Ruby source file FILENAME.rb, CLASS is an optional module/class namespace and METHOD is a callable method. If using CLASS, METHOD must be a class-level method." if @method.nil?

    find_gems
    [OPT + "/ruby/lib", TASK].each { |folder| $LOAD_PATH.unshift(folder) unless $LOAD_PATH.include?(folder) }
    require File.join(TASK, @file)
    @receiver = @class ? Object.const_get(@class) : TOPLEVEL_BINDING.receiver
  end

  def call(event, context)
    @receiver.send(@method, event: event, context: context)
  end

  private

  # What was bundled, and the gems of layers: https://docs.aws.amazon.com/lambda/latest/dg/ruby-package.html
  def find_gems
    return unless defined?(Gem)

    own = RbConfig::CONFIG["ruby_version"]
    bundled = Dir.glob("#{TASK}/vendor/bundle/ruby/*").sort_by { |path| File.basename(path) == own ? 0 : 1 }
    layered = Dir.glob("#{OPT}/ruby/gems/*").sort_by { |path| File.basename(path) == own ? 0 : 1 }
    return if bundled.empty? && layered.empty? && !ENV["GEM_PATH"]

    given = ENV["GEM_PATH"].to_s.split(":")
    Gem.paths = { "GEM_HOME" => ENV["GEM_HOME"] || (bundled + layered + [Gem.default_dir]).first,
                  "GEM_PATH" => (given + bundled + layered + Gem.path).uniq.join(":") }
  end
end

channel = SereinChannel.new
ENV.delete("_SEREIN_ASSIGNED")
$stdout.sync = true
$stderr.sync = true
Encoding.default_external = Encoding::UTF_8

def told_of(error, stage)
  trace = (error.backtrace || []).take_while { |line| !line.start_with?(__FILE__) }
  message = error.message.dup.force_encoding("UTF-8").scrub
  { "errorMessage" => message, "errorType" => "#{stage}<#{error.class.name}>", "stackTrace" => trace }
end

name = ENV["_HANDLER"].to_s
function = SereinFunction.new(name)
begin
  Dir.chdir(SereinFunction::TASK)
  function.load
rescue SystemExit, SignalException
  raise
rescue Exception => e # rubocop:disable Lint/RescueException
  told = told_of(e, "Init")
  channel.log("Init error when loading handler #{name}\n#{JSON.pretty_generate(told)}\n")
  channel.send(SereinChannel::INIT_ERROR, told.to_json)
  exit!(0)
end
channel.send(SereinChannel::READY, "")

while (received = channel.receive)
  facts, text = received
  if facts["trace"] then ENV["_X_AMZN_TRACE_ID"] = facts["trace"]
  else ENV.delete("_X_AMZN_TRACE_ID")
  end
  begin
    answer = function.call(JSON.parse(text), LambdaContext.new(facts))
    body = answer.respond_to?(:read) ? answer.read.to_s : answer.to_json
    kind = SereinChannel::RESULT
    if body.bytesize > SereinChannel::BYTES_MAX
      words = "Response payload size (#{body.bytesize} bytes) exceeded maximum allowed payload size (#{SereinChannel::BYTES_MAX} bytes)."
      kind = SereinChannel::ERROR
      body = { "errorType" => "Function.ResponseSizeTooLarge", "errorMessage" => words }.to_json
    end
  rescue SystemExit, SignalException
    raise
  rescue Exception => e # rubocop:disable Lint/RescueException
    told = told_of(e, "Function")
    channel.log("Error raised from handler method\n#{JSON.pretty_generate(told)}\n")
    kind = SereinChannel::ERROR
    body = told.to_json.byteslice(0, SereinChannel::BYTES_MAX)
  end
  channel.send(kind, body)
end
exit!(0)
