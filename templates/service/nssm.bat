@echo off
rem Written by pipedai-orchestrator install --nssm. Run it elevated; it needs nssm.exe on the PATH.
rem {{.Mark}}
setlocal DisableDelayedExpansion
chcp 65001 >nul
nssm stop {{.Name}} >nul 2>&1
nssm remove {{.Name}} confirm >nul 2>&1
nssm install {{.Name}} {{.Program}} || exit /b 1
nssm set {{.Name}} AppParameters {{.Parameters}} || exit /b 1
nssm set {{.Name}} DisplayName "PipedAI Orchestrator"
nssm set {{.Name}} Description "Looks after the workers of this host"
nssm set {{.Name}} Start SERVICE_AUTO_START
nssm set {{.Name}} AppEnvironmentExtra {{.PathSetting}} PIPEDAI_SERVICE={{.Manager}}
rem 0: asked to stop. 75: restart. Everything else was a failure.
nssm set {{.Name}} AppExit Default Restart
nssm set {{.Name}} AppExit 0 Exit
nssm set {{.Name}} AppExit 2 Exit
nssm set {{.Name}} AppRestartDelay 1000
rem Ctrl-C lets workers finish.
nssm set {{.Name}} AppStopMethodConsole {{.StopMilliseconds}}
nssm set {{.Name}} AppStdout {{.Log}}
nssm set {{.Name}} AppStderr {{.Log}}
nssm start {{.Name}}
