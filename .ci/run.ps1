# Runs exactly the README's test command for Windows, in this checkout.
$ErrorActionPreference = "Stop"
Set-Location (Join-Path $PSScriptRoot "..")

$readme = Get-Content README.md -Raw -Encoding utf8
if ($readme -notmatch '(?s)<!-- test-command-windows -->\s+```bat\r?\n(.+?)\r?\n```') {
    throw "README.md has no test command for Windows"
}
$command = $Matches[1]
# The tests write and read text without saying how it is encoded; ganzoo never does.
$env:PYTHONUTF8 = "1"
Write-Output "+ $command"
cmd /c $command
exit $LASTEXITCODE
